/**
 * Draws what a program wrote to a terminal as an SVG: captured text with its escape sequences in, picture out.
 *
 *   script -qec "stty cols 116; npm run --silent demo -- --fresh --exit" /dev/null \
 *     | node tools/terminalPicture.ts '$ npm run demo' > docs/demo.svg
 *
 * Understands what Rollcall's terminal output uses: colours and weights, carriage return, erasing a line. Other sequences are left out.
 */
import { readFileSync } from 'node:fs';

type Look = { readonly colour: string; readonly bold: boolean; readonly dim: boolean };
type Cell = { readonly text: string; readonly look: Look };

const PLAIN: Look = { colour: '#d8dee9', bold: false, dim: false };
const BACKGROUND = '#1d2129';
/** Of SGR 30 to 37, and 90 to 97 alike. */
const COLOURS = ['#7b8494', '#f2777a', '#99cc99', '#ffcc66', '#6ca8e8', '#cc99cc', '#66cccc', '#d8dee9'];

const FONT_SIZE = 13;
/** A monospaced character's width is taken to be 0.602 of its height; `textLength` makes every font keep to it. */
const CELL = { width: FONT_SIZE * 0.602, height: 19 };
const MARGIN = 18;

/** What stands on the screen, and where the next character goes. */
class Screen {
  readonly lines: Cell[][] = [[]];
  #at = 0;
  #look = PLAIN;

  take(token: string, sequence: string | undefined): void {
    if (sequence !== undefined) this.#obey(sequence);
    else if (token === '\n') this.lines.push([]);
    else if (token >= ' ') this.#write(token);
    if (token === '\n' || token === '\r') this.#at = 0;
  }

  #obey(sequence: string): void {
    const codes = sequence.slice(0, -1);
    if (sequence.endsWith('K')) this.#line.splice(codes === '2' ? 0 : this.#at);
    if (sequence.endsWith('m'))
      for (const code of codes.split(';')) this.#look = lookAfter(this.#look, Number(code));
  }

  #write(text: string): void {
    const line = this.#line;
    while (line.length < this.#at) line.push({ text: ' ', look: PLAIN });
    line[this.#at] = { text, look: this.#look };
    this.#at += 1;
  }

  get #line(): Cell[] {
    return this.lines.at(-1) ?? [];
  }
}

/** Lines of cells, as they stand when the program has ended. */
function screenOf(captured: string): readonly (readonly Cell[])[] {
  const screen = new Screen();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what this is about
  for (const [token, sequence] of captured.matchAll(/\u001b\[([0-9;?]*[A-Za-z])|[\s\S]/gu))
    screen.take(token, sequence);
  return screen.lines;
}

function lookAfter(look: Look, code: number): Look {
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return { ...look, bold: true };
    case 2:
      return { ...look, dim: true };
    case 22:
      return { ...look, bold: false, dim: false };
    case 39:
      return { ...look, colour: PLAIN.colour };
    default:
      return { ...look, colour: COLOURS[code >= 90 ? code - 90 : code - 30] ?? look.colour };
  }
}

/** Cells that look alike become one element. */
function runsOf(
  line: readonly Cell[],
): readonly { readonly from: number; readonly text: string; readonly look: Look }[] {
  const runs: { from: number; text: string; look: Look }[] = [];
  line.forEach(({ text, look }, at) => {
    const last = runs.at(-1);
    if (last !== undefined && JSON.stringify(last.look) === JSON.stringify(look)) last.text += text;
    else runs.push({ from: at, text, look });
  });
  return runs.filter((run) => run.text.trim() !== '');
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function drawLine(line: readonly Cell[], row: number): string {
  const y = MARGIN + (row + 1) * CELL.height - 5;
  return runsOf(line)
    .map(({ from, text, look }) => {
      const lead = text.length - text.trimStart().length;
      const shown = text.trim();
      const x = (MARGIN + (from + lead) * CELL.width).toFixed(1);
      const length = ([...shown].length * CELL.width).toFixed(1);
      const weight = look.bold ? ' font-weight="bold"' : '';
      const opacity = look.dim ? ' opacity="0.6"' : '';
      return `<text x="${x}" y="${y}" textLength="${length}" fill="${look.colour}"${weight}${opacity}>${escaped(shown)}</text>`;
    })
    .join('\n');
}

function picture(lines: readonly (readonly Cell[])[], title: string): string {
  const columns = Math.max(...lines.map((line) => line.length));
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN);
  const height = Math.ceil(lines.length * CELL.height + 2 * MARGIN);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="${FONT_SIZE}" xml:space="preserve">
${lines
  .map(drawLine)
  .filter((line) => line !== '')
  .join('\n')}
</g>
</svg>
`;
}

const [prompt = '$'] = process.argv.slice(2);
const typed = [...prompt].map((text) => ({ text, look: { ...PLAIN, bold: true } }));
const screen = screenOf(readFileSync(0, 'utf8'));
const last = screen.findLastIndex((line) => line.some(({ text }) => text !== ' '));
process.stdout.write(
  picture([typed, ...screen.slice(0, last + 1)], `What ${prompt.replace(/^\$ /, '')} shows`),
);
