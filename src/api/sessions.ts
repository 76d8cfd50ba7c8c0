/** Whoever is signed in, and where else they are. */
import { z } from 'zod';
import { PRINCIPAL_ROLES } from '../domain/permission.ts';
import { SIGN_IN_METHODS } from '../domain/signIn.ts';
import { csrfTokenOf } from '../signIn/secret.ts';
import {
  EndedSessions,
  endSession,
  endSessionsOf,
  ListSessions,
  listSessions,
  signOut,
} from '../signIn/sessions.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const Session = z
  .object({
    id: z.uuid(),
    principal: z.uuid(),
    method: z.enum(SIGN_IN_METHODS),
    userAgent: z.string().nullable().describe('What the browser said it is.'),
    createdAt: Moment,
    lastUsedAt: Moment.describe('To the minute.'),
    expiresAt: Moment.describe('At the latest; left unused it ends earlier.'),
  })
  .meta({ id: 'Session' });

export const sessions = [
  route({
    method: 'GET',
    path: '/v1/session',
    operation: 'getSession',
    summary: 'Who is signed in',
    description:
      'With an API key there is no session: both it and the token are null. The token goes into the header `x-csrf-token` of every request of the session that changes something.',
    needs: 'key',
    status: 200,
    answer: z.object({
      principal: z.uuid(),
      name: z.string(),
      tenant: z.uuid(),
      role: z.enum(PRINCIPAL_ROLES),
      session: Session.nullable(),
      csrfToken: z.string().nullable(),
    }),
    handle: async ({ caller, visitor }) => ({
      principal: caller.principal,
      name: caller.actor.name,
      tenant: caller.tenant,
      role: caller.role,
      session: visitor?.session ?? null,
      csrfToken: visitor === null ? null : csrfTokenOf(visitor.cookie),
    }),
  }),
  route({
    method: 'DELETE',
    path: '/v1/session',
    operation: 'signOut',
    summary: 'Sign out',
    description: 'Ends the session that this comes with. With an API key it does nothing.',
    needs: 'key',
    status: 204,
    handle: async ({ deps, visitor }) => {
      if (visitor !== null) await signOut(deps, visitor);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/sessions',
    operation: 'listSessions',
    summary: 'List sessions',
    description: 'The good ones, oldest first: one’s own, or with `principals.read` those of a principal.',
    needs: 'key',
    input: ListSessions,
    status: 200,
    answer: pageOf(Session),
    handle: ({ deps, caller, input }) => listSessions(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/sessions',
    operation: 'endSessionsOf',
    summary: 'Sign out everywhere',
    description:
      'Ends all of one’s own sessions, the present one too; or with `principals.write` those of a principal.',
    needs: 'key',
    input: EndedSessions,
    status: 200,
    answer: z.object({ ended: z.number().int() }),
    handle: ({ deps, caller, input }) => endSessionsOf(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/sessions/{session}',
    operation: 'endSession',
    summary: 'End a session',
    description: 'One’s own, or with `principals.write` that of a principal.',
    needs: 'key',
    input: z.object({ session: z.uuid() }),
    status: 204,
    handle: ({ deps, caller, input }) => endSession(deps, caller, input.session),
  }),
];
