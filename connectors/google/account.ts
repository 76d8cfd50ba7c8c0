/** A Workspace account as the rest of this folder asks it: Google's library on the session, and which account is meant. */
import { createRequire } from 'node:module';
import type { admin_directory_v1, admin_reports_v1 } from '@googleapis/admin';
import type { Api } from './api.ts';
import type { Lists } from './lists.ts';

export type Account = {
  readonly directory: admin_directory_v1.Admin;
  readonly reports: admin_reports_v1.Admin;
  readonly api: Api;
  readonly lists: Lists;
  /** `my_customer` or a customer ID. */
  readonly customer: string;
};

export function accountOf(api: Api, lists: Lists, customer: string): Account {
  const { admin } = loaded();
  return { directory: admin('directory_v1'), reports: admin('reports_v1'), api, lists, customer };
}

/** Not before it is needed: a process that reads other providers does without its 25 MB. */
function loaded(): typeof import('@googleapis/admin') {
  return createRequire(import.meta.url)('@googleapis/admin');
}
