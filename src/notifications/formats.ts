/**
 * What a message looks like as mail and in chat. Whatever is shown may hold anything: names of people come from directories. So nothing of
 * it is ever markup, a link, a mention or another header.
 */
import { html } from '../domain/html.ts';
import type { Message } from '../domain/notice.ts';

/** A message as its readers see it. */
export type Shown = {
  readonly title: string;
  readonly lines: readonly ShownLine[];
  /** Lines that there was no room for. */
  readonly more: number;
  /** Who sends this, and how to end it. */
  readonly footer: string;
};
export type ShownLine = {
  readonly text: string;
  /** null: it is not known where people reach the API. */
  readonly link: string | null;
  readonly command: string;
  /** A few of those whom it concerns; none where the channel names nobody. */
  readonly people: readonly string[];
  readonly isNew: boolean;
};

const STILL_SO = 'Told before, and still so:';
const OPEN = 'Open';

/** Without what would begin another line or turn the direction of writing. */
export function oneLine(text: string, longest = 500): string {
  const clean = text
    .replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .trim();
  return clean.length <= longest ? clean : `${clean.slice(0, longest - 1).toWellFormed()}…`;
}

/** @param people names, by the line that concerns them */
export function shownMessage(
  { title, lines, more }: Message,
  {
    publicUrl,
    people,
    footer,
  }: {
    readonly publicUrl: string | null;
    readonly people: readonly (readonly string[])[];
    readonly footer: string;
  },
): Shown {
  return {
    title: oneLine(title, 150),
    lines: lines.map(({ text, path, command, isNew }, index) => ({
      text: oneLine(text),
      link: publicUrl === null ? null : `${publicUrl}${path}`,
      command,
      people: (people[index] ?? []).map((name) => oneLine(name, 80)),
      isNew,
    })),
    more,
    footer: oneLine(footer),
  };
}

const moreInWords = (more: number) => (more === 1 ? 'And one more.' : `And ${more} more.`);

const parts = ({ lines }: Shown) => ({
  news: lines.filter(({ isNew }) => isNew),
  known: lines.filter(({ isNew }) => !isNew),
});

export function asText(shown: Shown): string {
  const { news, known } = parts(shown);
  const written = ({ text, link, command, people }: ShownLine) =>
    [
      text,
      ...people.map((name) => `  - ${name}`),
      ...(link === null ? [] : [`  ${link}`]),
      `  ${command}`,
      '',
    ].join('\n');
  return [
    ...news.map(written),
    ...(known.length === 0 ? [] : [STILL_SO, '', ...known.map(written)]),
    ...(shown.more === 0 ? [] : [moreInWords(shown.more), '']),
    `-- `,
    shown.footer,
    '',
  ].join('\n');
}

/** Names, and all else that is shown, are text in it. */
export function asHtml(shown: Shown): string {
  const { news, known } = parts(shown);
  const written = ({ text, link, command, people }: ShownLine) => {
    const names = people.length === 0 ? null : html`<ul>${people.map((name) => html`<li>${name}</li>`)}</ul>`;
    const open = link === null ? null : html`<a href="${link}">${OPEN}</a> `;
    return html`<p>${text}</p>${names}<p>${open}<code>${command}</code></p>`;
  };
  const body = [
    ...news.map(written),
    ...(known.length === 0 ? [] : [html`<p>${STILL_SO}</p>`, ...known.map(written)]),
    ...(shown.more === 0 ? [] : [html`<p>${moreInWords(shown.more)}</p>`]),
    html`<hr><p><small>${shown.footer}</small></p>`,
  ];
  return html`<!doctype html><html><head><meta charset="utf-8"><title>${shown.title}</title></head><body>${body}</body></html>`
    .text;
}

/** Slack reads these three in what it formats, and nothing else of them (https://api.slack.com/reference/surfaces/formatting#escaping). */
const slack = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Slack takes no more of one; a text of 500 characters has room in it however they are written. */
const LONGEST_SECTION = 3_000;

/** As an incoming webhook takes it: a header, a section for each line (https://api.slack.com/messaging/webhooks). */
function slackMessage(shown: Shown): object {
  const { news, known } = parts(shown);
  // verbatim: no address, channel or person is looked for in the text.
  const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } });
  const written = ({ text, link, command, people }: ShownLine) => {
    const names = people.map((name) => `• ${slack(name)}`);
    const rest = [...(link === null ? [] : [`<${slack(link)}|${OPEN}>`]), `\`${slack(command)}\``];
    const all = [slack(text), ...names, ...rest].join('\n');
    return section(all.length <= LONGEST_SECTION ? all : [slack(text), ...rest].join('\n'));
  };
  const blocks = [
    { type: 'header', text: { type: 'plain_text', text: shown.title, emoji: false } },
    ...news.map(written),
    ...(known.length === 0 ? [] : [{ type: 'divider' }, section(STILL_SO), ...known.map(written)]),
    ...(shown.more === 0 ? [] : [section(moreInWords(shown.more))]),
    { type: 'context', elements: [{ type: 'plain_text', text: shown.footer, emoji: false }] },
  ];
  return { text: slack(shown.title), blocks };
}

/**
 * As a workflow's webhook takes it: an Adaptive Card (Microsoft Teams, "Create incoming webhooks with Workflows"). Of runs of rich text
 * none is read as Markdown, unlike a TextBlock's.
 */
function teamsMessage(shown: Shown): object {
  const { news, known } = parts(shown);
  const run = (text: string, more: object = {}) => ({ type: 'TextRun', text, ...more });
  const rich = (inlines: readonly object[], more: object = {}) => ({
    type: 'RichTextBlock',
    inlines,
    ...more,
  });
  const opens = (url: string) => ({ selectAction: { type: 'Action.OpenUrl', url } });
  const written = ({ text, link, command, people }: ShownLine) => [
    rich([run(text)], { spacing: 'Medium' }),
    ...people.map((name) => rich([run(`• ${name}`)], { spacing: 'None' })),
    ...(link === null ? [] : [rich([run(OPEN, opens(link))], { spacing: 'None' })]),
    rich([run(command, { fontType: 'Monospace', size: 'Small' })], { spacing: 'None' }),
  ];
  const body = [
    rich([run(shown.title, { weight: 'Bolder', size: 'Medium' })]),
    ...news.flatMap(written),
    ...(known.length === 0 ? [] : [rich([run(STILL_SO)], { separator: true }), ...known.flatMap(written)]),
    ...(shown.more === 0 ? [] : [rich([run(moreInWords(shown.more))])]),
    rich([run(shown.footer, { isSubtle: true, size: 'Small' })], { separator: true }),
  ];
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    body,
  };
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }],
  };
}

/** Teams takes no more than 28 KB; of Slack's fifty blocks no message has half. */
const LARGEST_BYTES = 27_000;

/** What is posted: without names, and then with fewer lines, where it would be too large. */
export function asPosted(type: 'slack' | 'teams', shown: Shown): string {
  const written = (one: Shown) => JSON.stringify(type === 'slack' ? slackMessage(one) : teamsMessage(one));
  const fits = (text: string) => Buffer.byteLength(text) <= LARGEST_BYTES;
  let less = shown;
  let text = written(less);
  if (!fits(text)) {
    less = { ...less, lines: less.lines.map((line) => ({ ...line, people: [] })) };
    text = written(less);
  }
  while (!fits(text) && less.lines.length > 1) {
    less = { ...less, lines: less.lines.slice(0, -1), more: less.more + 1 };
    text = written(less);
  }
  return text;
}
