import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';
import { allDocuments, codeLinesOf, type Document, documentAt, rowsOf, sectionOf } from './documents.ts';

const documents = allDocuments();

/** As GitHub makes them. */
function anchorsOf({ text }: Document): readonly string[] {
  const headings = [...text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/^#{1,6} (.*)$/gm)];
  return headings.map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function brokenLinksOf(document: Document): readonly string[] {
  const prose = document.text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '');
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? document.path : normalize(join(dirname(document.path), file));
    if (!existsSync(target)) return true;
    return anchor !== undefined && !anchorsOf(documentAt(target)).includes(anchor);
  });
}

it.each(documents)('every link in $path leads somewhere', (document) => {
  expect(brokenLinksOf(document)).toEqual([]);
});

/** What stands between backticks or in a code block. */
function codeOf(document: Document): readonly string[] {
  const prose = document.text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '');
  return [...codeLinesOf(document), ...[...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)];
}

it('every npm script that a page names is in package.json', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly scripts: object };
  const named = documents.flatMap(({ path, text }) =>
    codeOf({ path, text }).flatMap((code) =>
      [...code.matchAll(/\bnpm (?:run (?:--silent )?([\w:-]+)|(test|start)\b)/g)].map(
        ([, script, short]) => ({
          path,
          script: script ?? short ?? '',
        }),
      ),
    ),
  );
  expect(named.map(({ script }) => script)).toContain('demo');
  expect(named.filter(({ script }) => !Object.hasOwn(scripts, script))).toEqual([]);
});

/** By the words that are typed, from the headings of docs/cli.md, which test/cli holds to be those of the program. */
const manual = documentAt('docs/cli.md');
const commands = [...manual.text.matchAll(/^## `(rollcall [a-z -]+?)(?: [<[].*)?`$/gm)].map(
  ([heading, name = '']) => ({
    name,
    options: sectionOf(manual, heading).text,
  }),
);

it('every command of rollcall that a page shows exists, with its options', () => {
  const general = sectionOf(manual, '## Options of every command').text;
  const shown = documents.flatMap((document) =>
    codeOf(document).flatMap((line) => {
      const [, typed = ''] =
        /^(?:\S+=\S+ )*(?:npx |docker compose exec api node bin\/)?(rollcall(?:\.js)? [a-z].*)$/.exec(line) ??
        [];
      return typed === ''
        ? []
        : [{ path: document.path, typed: typed.replace(/^rollcall\.js/, 'rollcall').replace(/ #.*$/, '') }];
    }),
  );
  const wrong = shown.filter(({ typed }) => {
    const command = commands
      .filter(({ name }) => typed === name || typed.startsWith(`${name} `))
      .sort((one, other) => other.name.length - one.name.length)[0];
    const options = [...typed.replaceAll(/'[^']*'/g, '').matchAll(/ (--[a-z-]+)/g)].map(
      ([, option = '']) => option,
    );
    const known = `${command?.options ?? ''}\n${general}`;
    return command === undefined || options.some((option) => !new RegExp(`\`[^\`]*${option}\\b`).test(known));
  });
  expect(shown.length).toBeGreaterThan(30);
  expect(wrong).toEqual([]);
});

it('README begins with the two commands that are all there is to know', () => {
  expect(codeLinesOf(documentAt('README.md')).slice(0, 2)).toEqual([
    'npm ci && npm run demo',
    'npm ci && npm test',
  ]);
});

it('README names the twelve rules, each with tests that are there', () => {
  const rules = rowsOf(sectionOf(documentAt('README.md'), '## Why to trust it'), 2).slice(1);
  expect(rules).toHaveLength(12);
  for (const [rule, tests = ''] of rules) {
    const named = [...tests.matchAll(/“([^”]+)” \(\[[^\]]+\]\(([^)]+)\)\)/g)];
    expect(named.length, rule).toBeGreaterThan(0);
    for (const [, name = '', path = ''] of named) expect(readFileSync(path, 'utf8'), path).toContain(name);
  }
});

it('every decision says its context, what was decided, what was given up and when to look again, on one screen', () => {
  const decisions = documents.filter(({ path }) => path.startsWith('docs/decisions/'));
  expect(decisions.length).toBeGreaterThan(5);
  decisions.forEach(({ path, text }, at) => {
    const number = String(at + 1).padStart(4, '0');
    expect(path).toContain(`/${number}-`);
    expect(text.startsWith(`# ${number} `), path).toBe(true);
    for (const part of ['Context', 'Decision', 'What we gave up', 'When to look again'])
      expect(text, path).toContain(`**${part}.**`);
    expect(text.split('\n').length, path).toBeLessThanOrEqual(45);
  });
});
