import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Attribute, FIELD_NAMES, fieldOwners, transforms } from '../../src/domain/attributes.ts';
import { causes, settledBy } from '../../src/domain/change.ts';
import { PROVIDERS } from '../../src/domain/directory.ts';
import { FUNCTIONS } from '../../src/domain/expression.ts';
import { GUARDS } from '../../src/domain/guard.ts';
import { Mapping } from '../../src/domain/mapping.ts';
import { allowedTo, PRINCIPAL_ROLES } from '../../src/domain/permission.ts';
import { Policy } from '../../src/domain/policy.ts';
import { Rule } from '../../src/domain/rules.ts';
import { parsePrismaSchema } from '../support/prismaSchema.ts';
import { documentAt, rowsOf, sectionOf } from './documents.ts';

const glossary = documentAt('docs/glossary.md');
const mapping = documentAt('docs/mapping.md');
const review = documentAt('docs/review.md');
const operations = documentAt('docs/operations.md');
const architecture = documentAt('docs/architecture.md');

it('the glossary says of every table what a row of it is, and of no other', () => {
  const tables = Object.keys(parsePrismaSchema(documentAt('prisma/schema.prisma').text));
  const described = rowsOf(glossary, 2).map(([table]) => table);
  expect(tables.length).toBeGreaterThan(15);
  expect(described.slice(1).sort()).toEqual(tables.sort());
});

describe('the page about the architecture', () => {
  it('has every folder and file under src among the parts, and no other', () => {
    const cells = rowsOf(sectionOf(architecture, '## Parts'), 3).map(([cell = '']) => cell);
    const named = cells.flatMap((cell) => [...cell.matchAll(/src\/(\w+(?:\/|[.]ts))/g)]);
    const there = readdirSync('src', { withFileTypes: true });
    expect(named.map(([, name]) => name).sort()).toEqual(
      there.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort(),
    );
  });

  const tenants = sectionOf(architecture, '## Tenants and row-level security');

  it('names the tables that have no tenant', () => {
    const tables = Object.entries(parsePrismaSchema(documentAt('prisma/schema.prisma').text));
    const without = tables.flatMap(([name, { columns }]) => ('tenant_id' in columns ? [] : [name]));
    const said = /has no tenant: ([^.]*)[.]/.exec(tenants.text)?.[1] ?? '';
    const named = [...said.matchAll(/\(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '));
    expect(named.sort()).toEqual(
      without
        .filter((name) => name !== 'tenant')
        .map((name) => `\`${name}\``)
        .sort(),
    );
  });

  it('names the roles of principals', () => {
    const said = /the roles ([^.]*), each within/.exec(tenants.text)?.[1] ?? '';
    expect([...said.matchAll(/`([\w-]+)`/g)].map(([, name]) => name)).toEqual([...PRINCIPAL_ROLES]);
  });
});

it('the page about operations has every event that is logged', () => {
  const logged = ['src', 'jobs'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('generated'))
      .flatMap((name) => [
        ...documentAt(`${folder}/${name}`).text.matchAll(/\blog\)?[.]\w+\(\s*\{\s*event: '([\w.-]+)'/g),
      ])
      .map(([, event = '']) => event),
  );
  const told = new Set(
    [...sectionOf(operations, '## Logs').text.matchAll(/`([\w.-]+)`/g)].map(([, event]) => event),
  );
  expect(logged.length).toBeGreaterThan(40);
  expect([...new Set(logged)].filter((event) => !told.has(event))).toEqual([]);
});

it('the glossary names no file that is not there', async () => {
  const { existsSync } = await import('node:fs');
  const files = [...glossary.text.matchAll(/`((?:src|connectors|jobs|prisma|simulators)\/[\w./]+)`/g)];
  expect(files.length).toBeGreaterThan(20);
  expect(files.flatMap(([, path = '']) => (existsSync(path) ? [] : [path]))).toEqual([]);
});

it.each(['README.md', 'docs/connectors.md'])(
  'the table of connectors in %s lists exactly the providers there are',
  (path) => {
    const listed = rowsOf(documentAt(path), 3).flatMap(([provider = '']) =>
      rowsOf(documentAt(path), 3).length > 0 && /^\w+$/.test(provider) ? [provider] : [],
    );
    expect(listed.filter((word) => word !== 'provider')).toEqual([...PROVIDERS]);
  },
);

it('the page about mapping has every key with its default', () => {
  const defaults = Mapping.parse({});
  const keys = Object.keys(Mapping.shape) as (keyof typeof Mapping.shape)[];
  const rows = rowsOf(sectionOf(mapping, '## Mapping'), 3).slice(1);
  expect(rows.map(([key, value]) => [key, value])).toEqual(
    keys.map((key) => [key, defaults[key] === undefined ? 'none' : JSON.stringify(defaults[key])]),
  );
});

it('the page about mapping has every key of a rule', () => {
  const rows = rowsOf(sectionOf(mapping, '## Rules'), 3).slice(1);
  const { when, ...others } = Rule.shape;
  const conditions = Object.keys(when.unwrap().shape).map((key) => `when.${key}`);
  expect(rows.map(([key]) => key).sort()).toEqual(['when', ...conditions, ...Object.keys(others)].sort());
});

it('the page about mapping has every key of an attribute, every transform and every owner', () => {
  const section = sectionOf(mapping, '## Attributes');
  const keys = rowsOf(section, 3).slice(1);
  expect(keys.map(([key]) => key)).toEqual(Object.keys(Attribute.shape));
  const others = rowsOf(section, 2).filter(([, meaning]) => meaning !== 'means');
  const named = others.filter(([name]) => name !== 'transform' && name !== 'owner').map(([name]) => name);
  expect(named).toEqual([...Object.keys(transforms), ...Object.keys(fieldOwners)]);
});

it('the page about mapping has every function and every variable of expressions', () => {
  const { text, path } = sectionOf(mapping, '## Expressions');
  const functions = text.slice(text.indexOf('and the like), '));
  const named = [...functions.matchAll(/`(\w+)`/g)].flatMap(([, name = '']) => name);
  expect([...new Set(named)].sort()).toEqual([...FUNCTIONS].sort());
  const variables = rowsOf({ text, path }, 3).map(([name]) => name);
  expect(variables).toEqual(['name', 'user', 'user.custom', 'groups', 'groupIds', 'orgUnit']);
});

it('the page about mapping lists the fields', () => {
  const sentence = /The fields, unless omitted: ([^.]*)\./.exec(mapping.text)?.[1] ?? '';
  expect([...sentence.matchAll(/`(\w+)`/g)].map(([, name]) => name)).toEqual([...FIELD_NAMES]);
});

it('the page about mapping has every guard, and every limit with its default', () => {
  const guards = sectionOf(mapping, '## Guards');
  const limits = Object.entries(Policy.parse({}).guards).map(([key, value]) => [key, String(value)]);
  expect(
    rowsOf(guards, 4)
      .slice(1)
      .map(([guard]) => guard)
      .sort(),
  ).toEqual([...GUARDS].sort());
  expect(rowsOf(guards, 2).slice(1)).toEqual(limits);
});

it('the guide for reviewers has every cause in its own words', () => {
  const rows = rowsOf(sectionOf(review, '## Look'), 2).slice(1);
  expect(rows.map(([cause]) => cause)).toEqual(Object.keys(causes));
  for (const [cause, words = ''] of rows) expect(words).toContain(causes[cause as keyof typeof causes]);
});

it('the guide for reviewers has what settles a conflict in the words of the command line and the API', () => {
  const rows = rowsOf(sectionOf(review, '## Conflicts'), 2).slice(1);
  expect(Object.fromEntries(rows)).toEqual(settledBy);
});

it('the guide for operators has every role of principals', () => {
  const rows = rowsOf(sectionOf(operations, '## Keys of the API'), 2).slice(1);
  expect(rows.map(([role]) => role)).toEqual([...PRINCIPAL_ROLES]);
  expect(Object.keys(allowedTo)).toEqual([...PRINCIPAL_ROLES]);
});
