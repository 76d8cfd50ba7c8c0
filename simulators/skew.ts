/** A provider whose clock is off: its time stamps as others see them, and theirs as it takes them. */
import type { ApiRequest, Plain } from './protocol.ts';

/** Also as part of an address. Dates of employment are people's data, not time stamps. */
const STAMP =
  /(?<!"employee(?:HireDate|LeaveDateTime)":")(\d{4}-\d\d-\d\dT\d\d)(:|%3A)(\d\d)\2(\d\d)(?=(?:\.\d+)?Z)/gi;

function shifted(text: string, seconds: number): string {
  return text.replace(STAMP, (_, hour: string, colon: string, minutes: string, rest: string) => {
    const ms = Date.parse(`${hour}:${minutes}:${rest}Z`) + seconds * 1000;
    return new Date(ms).toISOString().slice(0, 19).replaceAll(':', colon);
  });
}

const laterDate = (date: string, seconds: number): string =>
  new Date(Date.parse(date) + seconds * 1000).toUTCString();

/** The request as it would be if its sender had gone by a clock that is right. */
export function taken(request: ApiRequest, seconds: number): ApiRequest {
  if (seconds === 0) return request;
  const url = new URL(shifted(request.url.href, -seconds));
  return { ...request, url, body: shifted(request.body, -seconds) };
}

/** The answer as a provider gives it whose clock is so many seconds ahead; behind, where they are negative. */
export function given(answer: Plain, seconds: number): Plain {
  if (seconds === 0) return answer;
  const { date, 'retry-after': retryAfter, 'x-rate-limit-reset': reset, link } = answer.headers;
  const headers = {
    ...answer.headers,
    date: laterDate(String(date ?? new Date().toUTCString()), seconds),
    ...(/^[A-Z]/.test(String(retryAfter ?? ''))
      ? { 'retry-after': laterDate(String(retryAfter), seconds) }
      : {}),
    ...(reset === undefined ? {} : { 'x-rate-limit-reset': String(Number(reset) + seconds) }),
    ...(link === undefined ? {} : { link: [link].flat().map((one) => shifted(String(one), seconds)) }),
  };
  return { ...answer, headers, body: shifted(answer.body.toString(), seconds) };
}
