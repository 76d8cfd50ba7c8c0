/** Whether an apply may go on: asked by each batch before it begins. */
import type { ApplyId } from '../domain/ids.ts';
import type { Sql } from './database.ts';

/** Asked with the lock that the deletion of a tenant, and whoever pauses an apply, waits for: what comes after it finds it so. */
export async function refuseHalted(sql: Sql, apply: { readonly id: ApplyId }, at: Date): Promise<void> {
  const [row] = await sql.query<{ standing: string; state: string; frozen: boolean }>(
    `SELECT tenant_standing(a.tenant_id) AS standing, a.state,
       EXISTS (SELECT FROM freeze_over(a.tenant_id, $2, a.despite_freezes)) AS frozen FROM apply a WHERE a.id = $1`,
    [apply.id, at.toISOString()],
  );
  if (row?.state !== 'running') throw new ApplyHalted('state');
  if (row.standing !== 'active') throw new TenantSuspended();
  if (row.frozen) throw new ApplyHalted('freeze');
}

/** `state`: somebody has paused or cancelled it, or another process has ended it. `freeze`: a freeze period has begun. */
export class ApplyHalted extends Error {
  override readonly name = 'ApplyHalted';
  readonly because: 'state' | 'freeze';

  constructor(because: ApplyHalted['because']) {
    super(because);
    this.because = because;
  }
}

/** The tenant of the apply, or one above it, is suspended or deleted. */
export class TenantSuspended extends Error {
  override readonly name = 'TenantSuspended';
}
