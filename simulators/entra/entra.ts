/** Microsoft Entra ID: the Graph v1.0 routes that a directory sync uses, and the token endpoint beside them. */
import type { Keys } from '../certificates.ts';
import type { Directory } from '../directory.ts';
import { guids } from '../population/ids.ts';
import type { Post } from '../post.ts';
import type { Answer, ApiRequest, Caller, Plain, Route, SimulatedProvider } from '../protocol.ts';
import type { Tokens } from '../tokens.ts';
import { roomFor } from '../written.ts';
import { refuse, render, withoutPermission } from './answers.ts';
import { Assignments, servicePrincipalOf } from './assignments.ts';
import { answerBatch } from './batch.ts';
import { Changes } from './changes.ts';
import { Graph } from './graph.ts';
import { entraObjects } from './objects.ts';
import { EntraSubscriptions } from './subscriptions.ts';
import { type EntraApp, issueToken, openIdConfiguration } from './token.ts';

export const entraPermissions = ['User.Read.All', 'GroupMember.Read.All'] as const;

type Parts = {
  readonly graph: Graph;
  readonly changes: Changes;
  readonly assignments: Assignments;
  readonly subscriptions: EntraSubscriptions;
};

function routesOf(parts: Parts, app: EntraApp, tokens: Tokens): readonly Route[] {
  const { graph, changes, assignments, subscriptions } = parts;
  const get = (
    path: string,
    cls: Route['class'],
    permission: string | null,
    handle: Route['handle'],
  ): Route => {
    return { method: 'GET', path, class: cls, permission, handle };
  };
  const [user, member] = entraPermissions;
  const applications = 'Application.Read.All';
  const members = (request: ApiRequest): Answer => graph.members(request);
  const memberOf = (request: ApiRequest): Answer => graph.memberOf(request);
  const deletedUser = (request: ApiRequest): Answer => graph.deletedUser(request);
  return [
    {
      method: 'POST',
      path: '/:tenant/oauth2/v2.0/token',
      class: 'token',
      permission: null,
      handle: (request) => issueToken(app, tokens, request),
    },
    get('/:tenant/v2.0/.well-known/openid-configuration', 'discovery', null, (request) =>
      openIdConfiguration(app, request),
    ),
    get('/v1.0/users', 'users', user, (request) => graph.users(request)),
    get('/v1.0/servicePrincipals', 'other', applications, (request) => assignments.find(request)),
    get('/v1.0/servicePrincipals/:principal/appRoleAssignedTo', 'other', applications, (request) =>
      assignments.list(request),
    ),
    get('/v1.0/users/delta', 'changes', user, (request) => changes.answer('users', request)),
    get('/v1.0/groups/delta', 'changes', member, (request) => changes.answer('groups', request)),
    get('/v1.0/users/$count', 'users', user, (request) => graph.userCount(request)),
    get('/v1.0/users/:user', 'user', user, (request) => graph.user(request)),
    get('/v1.0/users/:user/manager', 'user', user, (request) => graph.manager(request)),
    get('/v1.0/users/:user/memberOf', 'members', member, memberOf),
    get('/v1.0/users/:user/transitiveMemberOf', 'members', member, memberOf),
    get('/v1.0/directory/deletedItems/microsoft.graph.user', 'users', user, (request) =>
      graph.deletedUsers(request),
    ),
    get('/v1.0/directory/deletedItems/:user', 'user', user, deletedUser),
    get('/v1.0/directory/deletedItems/:user/microsoft.graph.user', 'user', user, deletedUser),
    {
      method: 'POST',
      path: '/v1.0/$batch',
      class: 'other',
      permission: null, // its parts need theirs
      handle: (request, ask) => {
        const caller = authenticate(tokens, request);
        return 'status' in caller ? caller : answerBatch(request, ask);
      },
    },
    ...subscriptionRoutes(subscriptions, tokens),
    get('/v1.0/groups', 'groups', member, (request) => graph.groups(request)),
    get('/v1.0/groups/:group', 'group', member, (request) => graph.group(request)),
    get('/v1.0/groups/:group/members', 'members', member, members),
    get('/v1.0/groups/:group/members/microsoft.graph.user', 'members', member, members),
    get('/v1.0/groups/:group/transitiveMembers', 'members', member, members),
    get('/v1.0/groups/:group/transitiveMembers/microsoft.graph.user', 'members', member, members),
  ];
}

/** Which permission it takes depends on what is subscribed to. */
function subscriptionRoutes(subscriptions: EntraSubscriptions, tokens: Tokens): readonly Route[] {
  const all = '/v1.0/subscriptions';
  const one = `${all}/:subscription`;
  const route = (
    method: Route['method'],
    path: string,
    answer: (request: ApiRequest, permissions: readonly string[]) => Plain | Promise<Plain>,
  ): Route => {
    const handle = (request: ApiRequest): Plain | Promise<Plain> => {
      const caller = authenticate(tokens, request);
      return 'status' in caller ? caller : answer(request, caller.permissions);
    };
    return { method, path, class: 'other', permission: null, handle };
  };
  return [
    route('POST', all, (request, permissions) => subscriptions.create(request, permissions)),
    route('GET', all, (request) => subscriptions.list(request)),
    route('GET', one, (request) => subscriptions.show(request)),
    route('PATCH', one, (request) => subscriptions.renew(request)),
    route('DELETE', one, (request) => subscriptions.remove(request)),
    route('POST', `${one}/reauthorize`, (request) => subscriptions.reauthorize(request)),
  ];
}

/** `Directory.Read.All` covers all of them; the ReadWrite variants are not modelled. */
function withImplied(permissions: readonly string[]): readonly string[] {
  const all = permissions.includes('Directory.Read.All')
    ? [...permissions, ...entraPermissions, 'Application.Read.All']
    : permissions;
  return all.includes('Group.Read.All') ? [...all, 'GroupMember.Read.All'] : all;
}

function authenticate(tokens: Tokens, request: ApiRequest): Caller | Plain {
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const caller = token === undefined ? 'unknown' : tokens.find(token);
  if (caller === 'unknown') return refuse({ because: 'unauthenticated' });
  if (caller === 'expired') return refuse({ because: 'expired-token' });
  return { permissions: withImplied(caller.permissions) };
}

export function entra(
  directory: Directory,
  keys: Keys,
  tokens: Tokens,
  permissions: () => readonly string[],
  post: Post,
): SimulatedProvider {
  const own = guids(directory.seed, 'entra-tenant');
  const app: EntraApp = {
    directoryId: own.of(1),
    domain: directory.domain,
    clientId: own.of(2),
    clientSecret: `sim8Q~${own.of(3).replaceAll('-', '')}`,
    certificate: keys.clientCertificate,
    permissions,
  };
  const objects = entraObjects(directory, roomFor(160));
  const { directoryId, clientId } = app;
  const tenant = { directoryId, clientId, creatorId: servicePrincipalOf(directory.seed) };
  const subscriptions = new EntraSubscriptions(directory, objects, tenant, post);
  const parts: Parts = {
    subscriptions,
    graph: new Graph(directory, objects),
    changes: new Changes(directory, objects),
    assignments: new Assignments(directory, objects, app.clientId),
  };
  const pem = `${keys.clientCertificate.trim()}\n${keys.clientKey.trim()}\n`;
  return {
    userIdOf: objects.userIdOf,
    groupIdOf: objects.groupIdOf,
    serialOf: (key) => objects.findUser(key)?.serial ?? null,
    settings: { directoryId: app.directoryId, clientId: app.clientId, cloud: 'global' },
    credentials: { kind: 'secret', clientSecret: app.clientSecret },
    alternativeCredentials: { kind: 'certificate', pem },
    subscriptions,
    protocol: {
      routes: routesOf(parts, app, tokens),
      authenticate: (request) => authenticate(tokens, request),
      refuse,
      render,
      headers: (request) => {
        const id = crypto.randomUUID();
        return {
          'request-id': id,
          'client-request-id': request.headers['client-request-id'] ?? id,
          'x-ms-ags-diagnostic':
            '{"ServerInfo":{"DataCenter":"Simulator","Slice":"E","Ring":"5","ScaleUnit":"000","RoleInstance":"SIM0"}}',
          'x-ms-resource-unit': request.url.pathname.includes('Members') ? '5' : '1',
          'odata-version': '4.0',
        };
      },
      cursorOf: (request) => request.url.searchParams.get('$skiptoken'),
      withoutPermission,
      unreadable: (user) => ({
        ...user,
        userPrincipalName: 17,
        accountEnabled: 'perhaps',
        proxyAddresses: 'none',
      }),
    },
  };
}
