/** The project's pages, as tests of them read them. */
import { globSync, readFileSync } from 'node:fs';

export type Document = { readonly path: string; readonly text: string };

export function documentAt(path: string): Document {
  return { path, text: readFileSync(path, 'utf8') };
}

/** Every page of the project, with `/` between folders. */
export function allDocuments(): readonly Document[] {
  const paths = globSync(['*.md', 'docs/**/*.md', 'connectors/*/README.md', 'simulators/README.md']);
  return paths
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map(documentAt);
}

/** Cells of every table row that has this many columns, without headings and without the backticks around a whole cell. */
export function rowsOf({ text }: Document, columns: number): readonly (readonly string[])[] {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.slice(1, line.lastIndexOf('|')).split(' | ').map(bare));
  return rows.filter((cells) => cells.length === columns && !cells.every((cell) => /^:?-+:?$/.test(cell)));
}

function bare(cell: string): string {
  return /^\s*`([^`]*)`\s*$/.exec(cell)?.[1] ?? cell.trim();
}

/** The part under this heading, up to the next one that is not below it. */
export function sectionOf({ path, text }: Document, heading: string): Document {
  const start = text.indexOf(`${heading}\n`);
  if (start < 0) throw new Error(`${path} has no heading ${heading}`);
  const level = heading.slice(0, heading.indexOf(' '));
  const rest = text.slice(start + heading.length);
  const end = rest.search(new RegExp(`\\n#{1,${level.length}} `));
  return { path, text: end < 0 ? rest : rest.slice(0, end) };
}

/** Lines of fenced code blocks. */
export function codeLinesOf({ text }: Document): readonly string[] {
  return [...text.matchAll(/^ *```\w*\n([\s\S]*?)^ *```/gm)].flatMap(([, body = '']) => body.split('\n'));
}
