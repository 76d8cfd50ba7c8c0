/**
 * A stand-in for a domain controller, over real TCP and TLS: sign-in, searches, paging, range retrieval, back-links, deleted objects
 * and counters of changes, as Microsoft's open specification (MS-ADTS) has them. OpenLDAP needs no stand-in: it is there.
 */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import tls from 'node:tls';
import { BerWriter } from 'ldapts';
import { type Keys, openKeys } from '../certificates.ts';
import { Domain, type DomainObject } from './domain.ts';
import { type Condition, pagingIn, type Request, requestsIn } from './request.ts';
import { type Encoded, found, type Rights, searched } from './search.ts';

export const BIND_DN = 'CN=rollcall,CN=Users,DC=harbor,DC=example';
export const PASSWORD = 'tide-tables-are-not-secrets';
const PAGED_RESULTS = '1.2.840.113556.1.4.319';

export type LdapFault =
  | 'busy'
  | 'unavailable'
  | 'internal-error'
  | 'signed-out'
  | 'refused'
  | 'hang'
  | 'html'
  | 'cut-off'
  | 'reset'
  | 'empty-page'
  | 'nobody'
  | 'same-page'
  | 'no-paging'
  | 'no-cookie'
  | 'repeated';

/** What a search is for, as its filter tells. */
export type SearchKind = 'users' | 'groups' | 'members' | 'user' | 'group' | 'changes' | 'other';

export type DomainController = {
  readonly url: string;
  readonly port: number;
  readonly ca: string;
  readonly domain: Domain;
  readonly rights: Rights;
  /** From the `nth` search of that kind on, `times` times. Without a kind, paged searches of all kinds. */
  fault(order: { name: LdapFault; on?: SearchKind; nth?: number; times?: number }): void;
  clearFaults(): void;
  /** What was asked for since this list was emptied last. */
  readonly searches: SearchKind[];
  /** What the account has to sign in with. */
  password: string;
  maxPageSize: number;
  close(): Promise<void>;
};

type Fault = { name: LdapFault; on: SearchKind | null; nth: number; times: number };
type Visit = {
  readonly socket: Socket;
  bound: boolean;
  readonly open: Map<string, { readonly entries: readonly Encoded[]; page: number }>;
};

export type DomainOptions = {
  /** Default: one with nobody in it. */
  readonly domain?: Domain;
  /** Default 0: any free port. */
  readonly port?: number;
  /** A folder to keep certificates and keys in between starts. Default: new ones each time. */
  readonly caDir?: string;
};

/** On 127.0.0.1 only. Rejects with the error of `listen` where the port cannot be had. */
export async function startDomainController(options: DomainOptions = {}): Promise<DomainController> {
  const keys: Keys = await openKeys(options.caDir ?? null);
  const faults: Fault[] = [];
  const visits = new Set<Visit>();
  const controller = {
    domain: options.domain ?? new Domain(),
    rights: {
      hidden: new Set<string>(),
      nameless: new Set<DomainObject>(),
      deletedObjects: true,
      maxValues: 1500,
    } as Rights,
    searches: [] as SearchKind[],
    password: PASSWORD,
    maxPageSize: 1000,
  };
  const server = tls.createServer({ cert: keys.serverCertificate, key: keys.serverKey }, (socket) => {
    const visit: Visit = { socket, bound: false, open: new Map() };
    visits.add(visit);
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => visits.delete(visit));
    socket.on('data', (chunk: Buffer) => {
      const read = requestsIn(Buffer.concat([rest, chunk]));
      rest = read.rest;
      for (const request of read.requests) answer(controller, faults, visit, request);
    });
  });
  await once(server.listen(options.port ?? 0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return Object.assign(controller, {
    url: `ldaps://localhost:${port}`,
    port,
    ca: keys.ca,
    fault: ({ name, on, nth = 1, times = 1 }: Parameters<DomainController['fault']>[0]) =>
      void faults.push({ name, on: on ?? null, nth, times }),
    clearFaults: () => void faults.splice(0),
    close: async () => {
      for (const { socket } of visits) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}

type Controller = Pick<DomainController, 'domain' | 'rights' | 'searches' | 'maxPageSize' | 'password'>;

function answer(controller: Controller, faults: Fault[], visit: Visit, request: Request): void {
  const { socket } = visit;
  switch (request.kind) {
    case 'unbind':
      socket.end();
      return;
    case 'bind': {
      visit.bound =
        request.dn.toLowerCase() === BIND_DN.toLowerCase() && request.password === controller.password;
      const refusal =
        '80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v4563';
      socket.write(visit.bound ? result(request.id, 0x61, 0) : result(request.id, 0x61, 49, refusal));
      return;
    }
    case 'search':
      search(controller, faults, visit, request);
      return;
    case 'start-tls':
    case 'other':
      socket.write(result(request.id, 0x78, 2, 'not served here'));
  }
}

/** The fault that this search meets, if any: each counts the searches for itself. */
function met(faults: Fault[], kind: SearchKind, isPaged: boolean): LdapFault | null {
  let name: LdapFault | null = null;
  for (const fault of faults.filter(({ on }) => (on === null ? isPaged : on === kind))) {
    if (fault.nth > 1) fault.nth -= 1;
    else if (fault.times > 0) {
      fault.times -= 1;
      name ??= fault.name;
    }
  }
  return name;
}

function search(
  controller: Controller,
  faults: Fault[],
  visit: Visit,
  request: Extract<Request, { kind: 'search' }>,
): void {
  const { socket } = visit;
  const { id, base } = request;
  if (!visit.bound && base !== '') {
    const text =
      '000004DC: LdapErr: DSID-0C0907C2, comment: In order to perform this operation a successful bind must be completed';
    socket.write(result(id, 0x65, 1, text));
    return;
  }
  const paging = request.controls.get(PAGED_RESULTS);
  const paged = paging === undefined ? null : pagingIn(paging);
  const kind = kindOf(request);
  controller.searches.push(kind);
  const fault = met(faults, kind, paged !== null);
  if (fault !== null && broken(fault, visit, id)) return;
  const code = found(controller, request);
  if (code !== 0) {
    socket.write(
      result(id, 0x65, code, '0000208D: NameErr: DSID-03100241, problem 2001 (NO_OBJECT), data 0'),
    );
    return;
  }
  if (paged === null) {
    const entries = searched(controller, request);
    const limit = Math.min(request.sizeLimit || controller.maxPageSize, controller.maxPageSize);
    const over = entries.length > limit;
    socket.write(
      Buffer.concat([...entries.slice(0, limit).map((entry) => entry(id)), result(id, 0x65, over ? 4 : 0)]),
    );
    return;
  }
  page(controller, visit, request, paged, fault);
}

/** A cookie is good on the connection it was given on, once. */
function page(
  controller: Controller,
  { socket, open }: Visit,
  request: Extract<Request, { kind: 'search' }>,
  { size, cookie }: { size: number; cookie: Buffer },
  fault: LdapFault | null,
): void {
  const { id } = request;
  const started = cookie.length > 0;
  const kept = open.get(cookie.toString('hex'));
  if (started && kept === undefined) {
    socket.write(
      result(id, 0x65, 53, '00000057: SvcErr: DSID-031A0FFF, problem 5003 (WILL_NOT_PERFORM), data 0'),
    );
    return;
  }
  open.delete(cookie.toString('hex'));
  const all = kept?.entries ?? searched(controller, request);
  const repeated = () => [...all.toReversed(), ...all];
  const listed = fault === 'nobody' ? [] : fault === 'repeated' ? repeated() : all;
  const from = kept?.page ?? 0;
  const size1 = Math.min(size, controller.maxPageSize);
  const count = fault === 'empty-page' ? 0 : size1;
  const back = fault === 'same-page' ? Math.max(0, from - size1) : from;
  const entries = listed.slice(back, back + count);
  const next = back + count;
  const more = next < listed.length ? Buffer.from(`${id}:${next}`) : Buffer.alloc(0);
  if (more.length > 0) open.set(more.toString('hex'), { entries: listed, page: next });
  const control = fault === 'no-paging' ? null : fault === 'no-cookie' ? 'without a value' : more;
  socket.write(Buffer.concat([...entries.map((entry) => entry(id)), result(id, 0x65, 0, '', control)]));
}

function kindOf({ base, filter, attributes }: Extract<Request, { kind: 'search' }>): SearchKind {
  const named = attributesIn(filter);
  if (base === '' || named.length === 0) return 'other';
  if (named.includes('usnchanged')) return 'changes';
  if (named.includes('memberof') || named.includes('primarygroupid')) return 'members';
  const group = attributes.some((name) => /^(?:member|objectSid)/i.test(name));
  if (named.includes('objectguid')) return group ? 'group' : 'user';
  if (attributes.includes('userAccountControl')) return 'users';
  return attributes.includes('mail') ? 'groups' : 'other';
}

function attributesIn(condition: Condition): string[] {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.of.flatMap(attributesIn);
    case 'not':
      return attributesIn(condition.of);
    case 'equals':
    case 'at-least':
    case 'at-most':
    case 'present':
    case 'rule':
      return [condition.attribute];
  }
}

function broken(fault: LdapFault, { socket }: Visit, id: number): boolean {
  switch (fault) {
    case 'busy':
      socket.write(result(id, 0x65, 51, '000020E1: SvcErr: DSID-02020A5D, problem 5001 (BUSY), data 0'));
      return true;
    case 'unavailable':
      socket.write(
        result(id, 0x65, 52, '0000200E: SvcErr: DSID-03190F5E, problem 5002 (UNAVAILABLE), data 0'),
      );
      return true;
    case 'internal-error':
      socket.write(result(id, 0x65, 80, '00002105: LdapErr: DSID-0C0906AD'));
      return true;
    case 'cut-off': {
      // The inner length goes beyond the end of the message.
      const whole = result(id, 0x65, 0, 'cut off');
      const length = whole.length - 2 - 4;
      socket.write(Buffer.concat([Buffer.from([0x30, length]), whole.subarray(2, 2 + length)]));
      return true;
    }
    case 'signed-out':
      socket.write(result(id, 0x65, 1, '000004DC: LdapErr: DSID-0C0907C2'));
      return true;
    case 'refused':
      socket.write(
        result(id, 0x65, 50, '00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0'),
      );
      return true;
    case 'html':
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n<html>');
      return true;
    case 'reset':
      socket.destroy();
      return true;
    case 'hang':
      return true;
    case 'empty-page':
    case 'nobody':
    case 'same-page':
    case 'no-paging':
    case 'no-cookie':
    case 'repeated':
      return false;
  }
}

function result(
  id: number,
  operation: number,
  code: number,
  text = '',
  cookie: Buffer | 'without a value' | null = null,
): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(operation);
  writer.writeEnumeration(code);
  writer.writeString('');
  writer.writeString(text);
  writer.endSequence();
  if (cookie !== null) {
    const value = new BerWriter();
    value.startSequence();
    value.writeInt(0);
    if (cookie !== 'without a value') value.writeBuffer(cookie, 0x04);
    value.endSequence();
    writer.startSequence(0xa0);
    writer.startSequence();
    writer.writeString(PAGED_RESULTS);
    if (cookie !== 'without a value') writer.writeBuffer(value.buffer, 0x04);
    writer.endSequence();
    writer.endSequence();
  }
  writer.endSequence();
  return writer.buffer;
}
