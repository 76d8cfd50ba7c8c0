import { describe, expect, it } from 'vitest';
import { readLinks } from '../../connectors/okta/link.ts';

const self = '<https://acme.okta.com/api/v1/users?limit=200>; rel="self"';

describe('where a list goes on', () => {
  it.each([
    [
      'among several links',
      `${self}, <https://acme.okta.com/api/v1/users?after=00u9&limit=200>; rel="next"`,
      'https://acme.okta.com/api/v1/users?after=00u9&limit=200',
    ],
    ['in either order', `<https://acme.okta.com/n>; rel="next", ${self}`, 'https://acme.okta.com/n'],
    [
      'without a blank between links',
      `${self},<https://acme.okta.com/n>;rel="next"`,
      'https://acme.okta.com/n',
    ],
    ['without quotes', `${self}, <https://acme.okta.com/n>; rel=next`, 'https://acme.okta.com/n'],
    [
      'with commas and semicolons in the address',
      `<https://acme.okta.com/n?a=1,2;b,%2C>; rel="next", ${self}`,
      'https://acme.okta.com/n?a=1,2;b,%2C',
    ],
    [
      'with other parameters',
      '<https://acme.okta.com/n>; title="a, b; rel=self"; REL="NEXT"; x',
      'https://acme.okta.com/n',
    ],
    ['among several relations', '<https://acme.okta.com/n>; rel="last next"', 'https://acme.okta.com/n'],
    [
      'said twice alike',
      '<https://acme.okta.com/n>; rel="next", <https://acme.okta.com/n>; rel="next"',
      'https://acme.okta.com/n',
    ],
  ])('is found %s', (_, header, next) => {
    expect(readLinks(header)).toEqual({ kind: 'links', next });
  });

  it.each([
    ['there is no header', ''],
    ['there is only the page itself', self],
    ['the word is elsewhere', '<https://acme.okta.com/next>; rel="nextish"; title="rel=next; rel=next"'],
    ['another relation was said first', '<https://acme.okta.com/n>; rel="self"; rel="next"'],
  ])('is nowhere when %s', (_, header) => {
    expect(readLinks(header)).toEqual({ kind: 'links', next: null });
  });

  it.each([
    ['cut off in the address', `${self}, <https://acme.okta.com/api/v1/us`],
    ['cut off in a parameter', `${self}, <https://acme.okta.com/n>; rel="ne`],
    ['no link at all', 'https://acme.okta.com/n; rel="next"'],
    [
      'two different next pages',
      '<https://acme.okta.com/n>; rel="next", <https://acme.okta.com/m>; rel="next"',
    ],
  ])('is unknown, not nowhere, when the header is %s', (_, header) => {
    expect(readLinks(header)).toEqual({ kind: 'malformed' });
  });
});
