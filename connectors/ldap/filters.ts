/** Filters from values, never from text with values put into it: nothing in a value can become part of the filter. */
import {
  AndFilter,
  EqualityFilter,
  ExtensibleFilter,
  type Filter,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
} from 'ldapts';
import { readFilter } from './settings.ts';

/** LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS 3.1.1.3.4.4.3): through nested groups. */
const IN_CHAIN = '1.2.840.113556.1.4.1941';

/** One that the settings have checked already, or that is written in this connector. */
export function filterOf(text: string): Filter {
  const read = readFilter(text);
  if (!read.ok) throw new TypeError(`${text} ${read.problem}`);
  return read.filter;
}

export function both(...filters: readonly Filter[]): Filter {
  return new AndFilter({ filters: [...filters] });
}

export function anyOf(filters: readonly Filter[]): Filter {
  return new OrFilter({ filters: [...filters] });
}

export function not(filter: Filter): Filter {
  return new NotFilter({ filter });
}

export function equals(attribute: string, value: Buffer | string): Filter {
  return new EqualityFilter({ attribute, value });
}

export function atLeast(attribute: string, value: string): Filter {
  return new GreaterThanEqualsFilter({ attribute, value });
}

export function atMost(attribute: string, value: string): Filter {
  return new LessThanEqualsFilter({ attribute, value });
}

export function inChain(attribute: string, value: string): Filter {
  return new ExtensibleFilter({ rule: IN_CHAIN, matchType: attribute, value });
}

export function chunked<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
}
