/** E-mail addresses as they are compared. An address is an attribute, never an identity: it changes and gets reused. */
import type { Fields } from './authUser.ts';
import { cleanText } from './normalise.ts';

/** Without blanks, controls, and what only quoted local parts may have. */
const LOCAL_PART = /^[^\s@"(),:;<>[\\\]\p{C}]{1,64}$/u;
/**
 * What nearly every address is: ASCII, at a domain whose name is neither punycode nor an address of the internet protocol. Its key
 * is its lower case, which is found here several times as fast.
 */
const PLAIN =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?=.{1,253}$)(?:(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/i;
/** Letters (also of other scripts), digits, hyphens and dots: nothing that a URL would understand as port, path or user. */
const DOMAIN = /^[\p{L}\p{M}\p{N}.-]+$/u;
const ASCII_DOMAIN =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The spelling under which two addresses are the same: composed (NFC), without zero-width characters, in lower case, the domain in
 * punycode. null if it is no address. Turkish İ becomes i as in the domain part, not i with a combining dot; dotless ı stays itself.
 */
export function emailKey(address: string | null | undefined): string | null {
  const text = cleanText(address);
  if (text === null) return null;
  if (PLAIN.test(text)) return text.toLowerCase();
  const at = text.lastIndexOf('@');
  const local = lowerCase(text.slice(0, Math.max(at, 0)));
  const domain = domainKey(text.slice(at + 1));
  return LOCAL_PART.test(local) && domain !== null ? `${local}@${domain}` : null;
}

/** Of the field `email`. */
export function emailKeyOf(fields: Fields): string | null {
  const { email } = fields;
  return typeof email === 'string' ? emailKey(email) : null;
}

/** A domain in lower case and punycode; null if it is none, or an address of the internet protocol. */
export function domainKey(domain: string): string | null {
  const text = cleanText(domain);
  if (text === null || !DOMAIN.test(text)) return null;
  let ascii: string;
  try {
    ascii = new URL(`http://${lowerCase(text)}`).hostname; // does what RFC 5891 and UTS #46 ask for
  } catch {
    return null;
  }
  const lastLabel = ascii.slice(ascii.lastIndexOf('.') + 1);
  return ASCII_DOMAIN.test(ascii) && !/^[0-9]+$/.test(lastLabel) ? ascii : null;
}

/** The domain of an address that `emailKey` gave. */
export function domainOf(key: string): string {
  return key.slice(key.lastIndexOf('@') + 1);
}

/** toLowerCase knows no locale, but makes two characters of İ (U+0130). */
function lowerCase(text: string): string {
  return text.toLowerCase().replaceAll('i\u0307', 'i').normalize('NFC');
}
