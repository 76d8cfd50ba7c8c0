import { describe, expect, it } from 'vitest';
import type { CheckStep } from '../../connectors/contract.ts';
import { entraDefinition } from '../../connectors/entra/index.ts';
import { servicePrincipalOf } from '../../simulators/entra/assignments.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { never } from './aSession.ts';
import { type Connecting, connected, simulated } from './entraDirectory.ts';

async function stepsOf(simulator: Simulator, connecting?: Connecting): Promise<CheckStep[]> {
  const steps: CheckStep[] = [];
  for await (const step of entraDefinition.check(connected(simulator, connecting), never)) steps.push(step);
  return steps;
}

describe('rollcall connections test', () => {
  it('shows every step when all is well', async () => {
    const steps = await stepsOf(await simulated());
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ['reach', true],
      ['credential', true],
      ['permission', true],
      ['users', true],
      ['permission', true],
      ['groups', true],
      ['members', true],
      ['look-up', true],
      ['changes', true],
    ]);
    const permissions = steps.filter(({ step }) => step === 'permission').map(({ detail }) => detail);
    expect(permissions).toEqual(['User.Read.All', 'GroupMember.Read.All']);
    expect(steps.filter(({ optional }) => optional).map(({ step }) => step)).toEqual(['look-up', 'changes']);
  });

  it('names the permission that is missing and where to grant it', async () => {
    const steps = await stepsOf(await simulated({ permissions: ['User.Read.All'] }));
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ['reach', true],
      ['credential', true],
      ['permission', true],
      ['users', true],
      ['permission', false],
    ]);
    expect(steps.at(-1)).toMatchObject({ detail: 'GroupMember.Read.All' });
    expect(steps.at(-1)?.remedy).toContain('API permissions');
    expect(steps.at(-1)?.remedy).toContain('GroupMember.Read.All');
  });

  it('explains a token without any permission', async () => {
    const steps = await stepsOf(await simulated({ permissions: [] }));
    expect(steps.find(({ step }) => step === 'permission')).toMatchObject({
      ok: false,
      detail: 'User.Read.All',
      remedy: expect.stringMatching(/no application permission at all.*User\.Read\.All/),
    });
  });

  it('stops at a refused credential', async () => {
    const steps = await stepsOf(await simulated(), { credentials: { clientSecret: 'hunter2-hunter2' } });
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ['reach', true],
      ['credential', false],
    ]);
  });

  it('stops at a host that cannot be reached', async () => {
    const simulator = await startSimulator('entra', { users: 5 });
    await simulator.close();
    const steps = await stepsOf(simulator);
    expect(steps).toMatchObject([{ step: 'reach', ok: false, remedy: expect.stringContaining('base URL') }]);
  });

  const permissions = ['User.Read.All', 'GroupMember.Read.All', 'Application.Read.All'];
  const settings = { appScope: { servicePrincipalId: servicePrincipalOf(1) } };

  it('asks for the permission to read assignments where they are the scope, and tells how many there are', async () => {
    const steps = await stepsOf(await simulated({ users: 200, permissions }), { settings });
    expect(steps.every(({ ok }) => ok)).toBe(true);
    expect(steps.find(({ detail }) => detail === 'Application.Read.All')).toMatchObject({
      step: 'permission',
    });
    expect(steps.map(({ detail }) => detail).join('\n')).toMatch(
      /Assigned to the application: users \d, groups 2\./,
    );
    const without = await stepsOf(await simulated({ users: 20 }), { settings });
    expect(without.find(({ detail }) => detail === 'Application.Read.All')).toMatchObject({
      ok: false,
      remedy: expect.stringContaining('API permissions'),
    });
  });

  it('says where to find the Object ID when the application is not there', async () => {
    const nobodys = { appScope: { servicePrincipalId: crypto.randomUUID() } };
    const steps = await stepsOf(await simulated({ users: 20, permissions }), { settings: nobodys });
    const remedy = expect.stringContaining('Object ID');
    expect(steps.find(({ ok }) => !ok)).toMatchObject({ step: 'users', remedy });
    expect(steps.filter(({ ok, optional }) => !ok && optional)).toMatchObject([{ step: 'changes', remedy }]);
  });

  it('tells what does not work without the change feeds, and that a pull does', async () => {
    const simulator = await simulated();
    await simulator.control.fault({ name: 'status-404', on: 'changes', times: null });
    const steps = await stepsOf(simulator);
    expect(steps.filter(({ ok }) => !ok)).toMatchObject([
      { step: 'changes', optional: true, detail: expect.stringContaining('full pulls alone') },
    ]);
  });
});
