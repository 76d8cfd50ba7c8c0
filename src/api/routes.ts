/** All routes there are. */
import { adjustments } from './adjustments.ts';
import { apiKeys } from './apiKeys.ts';
import { applies } from './applies.ts';
import { audit } from './audit.ts';
import { authorization } from './authorization.ts';
import { changes } from './changes.ts';
import { configuration } from './configuration.ts';
import { connections } from './connections.ts';
import { domainClaims } from './domainClaims.ts';
import { events } from './events.ts';
import { explanations } from './explanations.ts';
import { guards } from './guards.ts';
import { health } from './health.ts';
import { mappingPreviews } from './mappingPreviews.ts';
import { notifications } from './notifications.ts';
import { pairs } from './pairs.ts';
import { policies } from './policies.ts';
import { principals } from './principals.ts';
import { productPlans } from './productPlans.ts';
import { providers } from './providers.ts';
import { roles } from './roles.ts';
import type { Route } from './route.ts';
import { runs } from './runs.ts';
import { sessions } from './sessions.ts';
import { signIn } from './signIn.ts';
import { supportAccess } from './supportAccess.ts';
import { tenants } from './tenants.ts';
import { tokens } from './tokens.ts';
import { undo } from './undo.ts';
import { users } from './users.ts';

export const routes: readonly Route[] = [
  ...tenants,
  ...domainClaims,
  ...connections,
  ...mappingPreviews,
  ...guards,
  ...policies,
  ...runs,
  ...changes,
  ...adjustments,
  ...pairs,
  ...applies,
  ...undo,
  ...users,
  ...explanations,
  ...authorization,
  ...tokens,
  ...roles,
  ...productPlans,
  ...principals,
  ...apiKeys,
  ...supportAccess,
  ...signIn,
  ...sessions,
  ...configuration,
  ...providers,
  ...audit,
  ...events,
  ...notifications,
  ...health,
];
