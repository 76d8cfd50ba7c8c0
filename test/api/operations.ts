/** What the OpenAPI document lists, as a list, and how a request of each is put together. */
import type { Ids, Json, Served } from './served.ts';

export type Listed = {
  readonly method: string;
  readonly path: string;
  readonly operation: Json;
};

export async function operationsOf(served: Served): Promise<readonly Listed[]> {
  const { body } = await served.request('GET', '/openapi.json');
  return Object.entries<Json>(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}

export function parametersOf({ operation }: Listed, place: 'path' | 'query'): readonly Json[] {
  return (operation.parameters ?? []).filter((parameter: Json) => parameter.in === place);
}

/** The path with these ids in it. Roles are named, not numbered, and the same for all tenants. */
export function pathWith(path: string, ids: Ids, role = 'reader'): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = { ...ids, role }[name];
    if (value === undefined) throw new Error(`no id is known for {${name}}`);
    return value;
  });
}

export const UNKNOWN = '01a20115-dead-71f6-a218-fc3bfeae2c2f';

/** Ids that nothing has. */
export const unknownIds: Ids = {
  tenant: UNKNOWN,
  connection: UNKNOWN,
  run: UNKNOWN,
  change: UNKNOWN,
  apply: UNKNOWN,
  user: UNKNOWN,
  principal: UNKNOWN,
  key: UNKNOWN,
  plan: UNKNOWN,
  session: UNKNOWN,
  signInProvider: UNKNOWN,
};

/** A body that each operation takes which has both a body and an id in its path. */
export const usableBody: Readonly<Record<string, unknown>> = {
  updateTenant: { name: 'Renamed' },
  moveTenant: { parent: UNKNOWN },
  verifyDomain: { domain: 'acme.example' },
  updateConnection: { name: 'Renamed' },
  editUser: { displayName: 'Renamed' },
  createKey: {},
  updatePlan: { name: 'Renamed' },
  updateSignInProvider: { name: 'Renamed' },
  invitePrincipal: {},
};
