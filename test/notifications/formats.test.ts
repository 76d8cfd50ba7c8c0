import { describe, expect, it } from 'vitest';
import {
  asHtml,
  asPosted,
  asText,
  oneLine,
  type Shown,
  type ShownLine,
} from '../../src/notifications/formats.ts';

const NASTY =
  '<!channel> <https://evil.example|click> & `rm` *bold* [a](https://evil.example) <img src=x onerror=alert(1)>';

const aLine = (more: Partial<ShownLine> = {}): ShownLine => ({
  text: `Harbor · ${NASTY}: 3 changes wait for a decision.`,
  link: 'https://rollcall.example/v1/changes?connection=1&state=open',
  command: "rollcall changes --connection 1 --guard ''",
  people: [NASTY],
  isNew: true,
  ...more,
});
const aShown = (more: Partial<Shown> = {}): Shown => ({
  title: NASTY,
  lines: [aLine(), aLine({ isNew: false, people: [] })],
  more: 2,
  footer: 'Sent by Rollcall',
  ...more,
});

describe('A message', () => {
  it('in Slack holds no mention and no link but ours', () => {
    const { text, blocks } = JSON.parse(asPosted('slack', aShown()));
    const formatted = [
      text,
      ...blocks.flatMap((one: { text?: { type: string; text: string } }) =>
        one.text?.type === 'mrkdwn' ? [one.text.text] : [],
      ),
    ];
    const written = formatted.join('\n');
    expect([...written.matchAll(/<[^>]*>/g)].map(([found]) => found)).toEqual([
      '<https://rollcall.example/v1/changes?connection=1&amp;state=open|Open>',
      '<https://rollcall.example/v1/changes?connection=1&amp;state=open|Open>',
    ]);
    expect(written).toContain('&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp;');
    for (const { text: of } of blocks) if (of?.type === 'mrkdwn') expect(of.verbatim).toBe(true);
    expect(blocks.length).toBeLessThanOrEqual(50);
  });

  it('in Slack has no section that is too long for it: names go first', () => {
    const lines = [
      aLine({ text: '&'.repeat(500), people: Array.from({ length: 10 }, () => '&'.repeat(80)) }),
    ];
    const { blocks } = JSON.parse(asPosted('slack', aShown({ lines })));
    const longest = Math.max(
      ...blocks.map(({ text }: { text?: { text: string } }) => text?.text.length ?? 0),
    );
    expect(longest).toBeLessThanOrEqual(3_000);
    expect(JSON.stringify(blocks)).toContain('rollcall changes');
  });

  it('in Teams is plain text alone, with one action for our link', () => {
    const card = JSON.parse(asPosted('teams', aShown()));
    expect(card).toMatchObject({
      type: 'message',
      attachments: [
        { contentType: 'application/vnd.microsoft.card.adaptive', content: { type: 'AdaptiveCard' } },
      ],
    });
    const { body } = card.attachments[0].content;
    expect(new Set(body.map(({ type }: { type: string }) => type))).toEqual(new Set(['RichTextBlock']));
    const runs = body.flatMap(
      ({ inlines }: { inlines: { type: string; selectAction?: { url: string } }[] }) => inlines,
    );
    expect(new Set(runs.map(({ type }: { type: string }) => type))).toEqual(new Set(['TextRun']));
    expect(
      runs.flatMap(({ selectAction }: { selectAction?: { url: string } }) => selectAction?.url ?? []),
    ).toEqual([
      'https://rollcall.example/v1/changes?connection=1&state=open',
      'https://rollcall.example/v1/changes?connection=1&state=open',
    ]);
  });

  it('as HTML has no markup but ours', () => {
    const html = asHtml(aShown());
    expect([...html.matchAll(/<(\w+)/g)].map(([, tag]) => tag).filter((tag) => tag === 'img')).toEqual([]);
    expect([...html.matchAll(/href="([^"]*)"/g)].map(([, to]) => to)).toEqual([
      'https://rollcall.example/v1/changes?connection=1&amp;state=open',
      'https://rollcall.example/v1/changes?connection=1&amp;state=open',
    ]);
    expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;');
  });

  it('as text tells what is new first, and what there was no room for', () => {
    const lines = [aLine({ text: 'old', isNew: false }), aLine({ text: 'new', people: ['Ada'] })];
    expect(asText(aShown({ lines })).split('\n')).toEqual([
      'new',
      '  - Ada',
      '  https://rollcall.example/v1/changes?connection=1&state=open',
      "  rollcall changes --connection 1 --guard ''",
      '',
      'Told before, and still so:',
      '',
      'old',
      `  - ${NASTY}`,
      '  https://rollcall.example/v1/changes?connection=1&state=open',
      "  rollcall changes --connection 1 --guard ''",
      '',
      'And 2 more.',
      '',
      '-- ',
      'Sent by Rollcall',
      '',
    ]);
  });

  it.each(['slack', 'teams'] as const)(
    'for %s leaves out names, then lines, where it would be too large',
    (type) => {
      const people = Array.from({ length: 10 }, () => '名'.repeat(80));
      const few = asPosted(type, aShown({ lines: Array.from({ length: 20 }, () => aLine({ people })) }));
      expect(Buffer.byteLength(few)).toBeLessThanOrEqual(27_000);
      expect(few).not.toContain('名');
      expect(few).toContain('And 2 more.');
      const many = Array.from({ length: 20 }, () => aLine({ text: '名'.repeat(500), people }));
      const less = asPosted(type, aShown({ lines: many, more: 0 }));
      expect(Buffer.byteLength(less)).toBeLessThanOrEqual(27_000);
      expect(less).toMatch(/And \d+ more[.]/);
    },
  );

  it('keeps whatever it shows in one line, without what turns the direction of writing', () => {
    expect(oneLine('a\r\nBcc: everybody@example.com\u2028\u202eb\u0000 ')).toBe(
      'a Bcc: everybody@example.com b',
    );
    expect(oneLine('x'.repeat(600))).toHaveLength(500);
  });
});
