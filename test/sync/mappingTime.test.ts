import { describe, expect, it } from 'vitest';
import { Mapping } from '../../src/domain/mapping.ts';
import { compileInTime } from '../../src/sync/mappingTime.ts';
import { aDirectoryUser } from '../support/builders.ts';

/** Each look at the clock is a second after the last; `turn` lets the process come to something else. */
function slowProcess() {
  let seconds = 0;
  let over = () => {};
  const stretches = {
    nowMs: () => 1_000 * seconds++,
    whenOver: (callback: () => void) => {
      over = callback;
    },
  };
  return { stretches, turn: () => over(), looks: () => seconds };
}

describe('The expressions of a mapping', () => {
  const user = aDirectoryUser({ department: 'Sales' });

  it('have five seconds for people who are looked at together: nothing follows for the rest, and the next have as long', () => {
    const { stretches, turn } = slowProcess();
    const { map } = compileInTime(Mapping.parse({ scope: 'user.department == "Sales"' }), stretches);
    const states = () => Array.from({ length: 8 }, () => map(user, []).state);
    const mapped = Array(6).fill('active');
    expect(states()).toEqual([...mapped, 'unreadable', 'unreadable']);
    expect(map(user, [])).toMatchObject({
      problem: expect.stringMatching(/^mapping\.expressions: took more than 5 s/),
    });
    turn();
    expect(states()).toEqual([...mapped, 'unreadable', 'unreadable']);
  });

  it('have it too where groups are in doubt', () => {
    const { stretches } = slowProcess();
    const compiled = compileInTime(Mapping.parse({ scope: '"Sales" in groups' }), stretches);
    const doubt = compiled.inDoubt({ membersUnknown: [], someUnreadable: true, read: [] });
    const problems = Array.from({ length: 7 }, () => doubt?.map(user, [], null)).map((mapped) =>
      mapped?.state === 'unreadable' ? mapped.problem : mapped?.state,
    );
    expect(problems.at(0)).toMatch(/^mapping\.scope/);
    expect(problems.at(-1)).toMatch(/^mapping\.expressions/);
  });

  it('cost no look at the clock where there are none', () => {
    const { stretches, looks } = slowProcess();
    compileInTime(Mapping.parse({}), stretches).map(user, []);
    expect(looks()).toBe(0);
  });

  it('are timed by the process itself', async () => {
    const { map } = compileInTime(Mapping.parse({ scope: 'user.department == "Sales"' }));
    expect(map(user, []).state).toBe('active');
    await new Promise((resolve) => setImmediate(resolve));
    expect(map(user, []).state).toBe('active');
  });
});
