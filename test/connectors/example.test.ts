import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectorConformance } from '../../connectors/conformance.ts';
import { harborDefinition, openHarbor } from './example/harbor.ts';
import { startHarbor } from './example/harborService.ts';

connectorConformance(
  'The connector of the guide',
  async ({ pages }) => {
    const harbor = await startHarbor(pages * 50 - 10);
    const { url, ca, token, control, close } = harbor;
    const options = {
      settings: { url },
      credentials: { token },
      network: { baseUrl: null, ca, proxy: null },
    };
    return { connect: (tuning) => openHarbor(options, tuning), control, secrets: [token], close };
  },
  { abilities: harborDefinition.abilities, cannot: ['expiring-tokens', 'token-refused', 'throttled-403'] },
);

describe('the guide', () => {
  const guide = readFileSync('docs/connectors.md', 'utf8');

  it('shows code that stands in the example as it is', () => {
    const example = ['example/harbor.ts', 'example.test.ts']
      .map((path) => readFileSync(`test/connectors/${path}`, 'utf8'))
      .join('\n');
    const blocks = [...guide.matchAll(/^ *```ts\n([\s\S]*?)^ *```$/gm)].map(([, code = '']) => code);
    expect(blocks.length).toBeGreaterThan(4);
    const flat = (code: string) => code.replace(/\s+/g, ' ').trim();
    for (const block of blocks) expect(flat(example)).toContain(flat(block));
  });

  it('has a check whose steps all pass', async () => {
    const { url, ca, token, close } = await startHarbor(10);
    onTestFinished(close);
    const network = { baseUrl: null, ca, proxy: null };
    const connector = harborDefinition.open({ settings: { url }, credentials: { token }, network });
    onTestFinished(() => connector.close());
    const steps = [];
    for await (const step of harborDefinition.check(connector, new AbortController().signal))
      steps.push(step);
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual(
      ['reach', 'credential', 'users', 'groups'].map((step) => [step, true]),
    );
  });
});
