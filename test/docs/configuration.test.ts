import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { environmentVariables, parseConfig } from '../../src/config.ts';
import { documentAt, rowsOf, sectionOf } from './documents.ts';

const environment = sectionOf(documentAt('docs/configuration.md'), '## Environment');
const rows = rowsOf(environment, 3).slice(1);

it('docs/configuration.md has a row for every variable, in the order of the code, and for no other', () => {
  expect(rows.map(([variable]) => variable)).toEqual(environmentVariables);
});

it('docs/configuration.md has the defaults that the code has', () => {
  const said = (variable: string) => rows.find(([name]) => name === variable)?.[1];
  const config = parseConfig({});
  expect(said('ROLLCALL_HOST')).toBe(config.host);
  expect(said('ROLLCALL_PORT')).toBe(String(config.port));
  expect(said('ROLLCALL_LOG_LEVEL')).toBe(config.logLevel);
  expect(said('ROLLCALL_CONCURRENCY')).toBe(String(config.concurrency));
  expect(said('ROLLCALL_SESSION_IDLE_HOURS')).toBe(String(config.sessionLimits.idleMs / 3_600_000));
  expect(said('ROLLCALL_SESSION_HOURS')).toBe(String(config.sessionLimits.longestMs / 3_600_000));
  expect(said('ROLLCALL_DATA')).toMatch(/^`\.rollcall`/);
  expect([config.databaseUrl, config.redisUrl, config.secretKey]).toEqual([null, null, null]);
});

it('no code reads a variable that docs/configuration.md does not name', () => {
  const text = documentAt('docs/configuration.md').text;
  const sources = globSync(['src/**/*.ts', 'connectors/**/*.ts', 'jobs/**/*.ts'], {
    exclude: ['**/generated/**'],
  });
  const named = sources.flatMap((path) => readFileSync(path, 'utf8').match(/\bROLLCALL_[A-Z_]+\b/g) ?? []);
  expect(named.length).toBeGreaterThan(5);
  expect([...new Set(named)].filter((variable) => !text.includes(`\`${variable}\``))).toEqual([]);
});
