/** A Workspace account as the rest of this folder asks it: Google's library on the session, and which account is meant. */
import { admin, type admin_directory_v1, type admin_reports_v1 } from '@googleapis/admin';
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
  return { directory: admin('directory_v1'), reports: admin('reports_v1'), api, lists, customer };
}
