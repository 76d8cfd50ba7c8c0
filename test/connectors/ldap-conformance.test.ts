import { connectorConformance, type Simulated } from '../../connectors/conformance.ts';
import { ldapDefinition, openLdap } from '../../connectors/ldap/index.ts';
import { LdapCredentials, LdapSettings } from '../../connectors/ldap/settings.ts';
import { guidText } from '../../connectors/ldap/values.ts';
import type { DomainObject } from '../../simulators/ldap/domain.ts';
import { BIND_DN, type LdapFault, PASSWORD, startDomainController } from '../../simulators/ldap/server.ts';

const PAGE_SIZE = 200;
const ROOT = 'DC=harbor,DC=example';
const STAFF = `OU=Staff,${ROOT}`;
const GROUPS = `OU=Groups,${ROOT}`;

const faults: Readonly<Record<string, LdapFault>> = {
  'status-401': 'signed-out',
  'status-403': 'refused',
  'status-500': 'internal-error',
  'status-503': 'unavailable',
  'throttled-silent': 'busy',
  'html-page': 'html',
  'cut-off': 'cut-off',
  'list-key-missing': 'no-paging',
  'list-key-null': 'no-cookie',
  hang: 'hang',
  'connection-reset': 'reset',
  'empty-first-page': 'nobody',
  'empty-middle-page': 'empty-page',
  'looping-link': 'same-page',
};

async function aDomain(pages: number): Promise<Simulated> {
  const dc = await startDomainController();
  const { domain } = dc;
  for (const unit of [STAFF, GROUPS]) domain.add(unit, { objectClass: ['top', 'organizationalUnit'] });
  let count = 0;
  const nextName = () => {
    count += 1;
    return `Kim ${count}`;
  };
  const people: DomainObject[] = [];
  const hire = (many: number) => {
    const made = Array.from({ length: many }, () => domain.addUser(nextName(), STAFF));
    people.push(...made);
    return made;
  };
  hire(pages * PAGE_SIZE - PAGE_SIZE / 2);
  const groups: DomainObject[] = [];
  for (let at = 0; at < 24; at++) {
    const inner = groups.at(-1);
    const members = people.slice(at * 7, at * 7 + 5);
    groups.push(domain.addGroup(`Team ${at}`, GROUPS, at % 3 === 1 && inner ? [...members, inner] : members));
  }
  groups.push(domain.addGroup('All', GROUPS, people));
  const idOf = ({ guid }: DomainObject) => guidText(guid) ?? '';
  const byId = (ids: readonly string[]) => ids.flatMap((id) => people.find((one) => idOf(one) === id) ?? []);
  const left = new Map<DomainObject, Pick<DomainObject, 'dn' | 'attributes'>>();
  const alive = () => people.filter(({ deleted }) => !deleted);
  const enabled = () =>
    alive().filter((one) => one.attributes.get('useraccountcontrol')?.values[0] === '512');
  let mend = () => {};
  /** What is another state of the domain rather than an answer of its own. */
  const turns: Readonly<Record<string, () => void>> = {
    'token-refused': () => {
      dc.password = 'another one';
    },
    // As after a restore from a backup.
    'changes-expired': () => {
      domain.invocation = Buffer.from(domain.invocation).reverse();
    },
    // The feed has several searches, each of which may name somebody twice.
    'changes-repeated': () => dc.fault({ name: 'repeated', on: 'changes', times: 1_000_000 }),
    'unreadable-id': () => {
      for (const one of alive().slice(0, 1)) dc.rights.nameless.add(one);
    },
    'unreadable-record': () => {
      const [first] = alive();
      if (first === undefined) return;
      domain.set(first, { userAccountControl: [] });
      mend = () => domain.set(first, { userAccountControl: '512' });
    },
  };
  const control: Simulated['control'] = {
    state: async () => {
      const kinds = ['users', 'groups', 'members', 'user', 'group', 'changes', 'other'] as const;
      const requests = Object.fromEntries(
        kinds.map((kind) => [kind, dc.searches.filter((one) => one === kind).length]),
      );
      return {
        users: { listed: alive().length, deleted: left.size },
        groups: groups.length,
        requests: { ...requests, token: 0 },
      };
    },
    fault: async ({ name, on = 'users', nth, times }) => {
      const known = faults[name];
      if (known !== undefined)
        dc.fault({ name: known, on, nth: nth ?? 1, times: times === null ? 1_000_000 : (times ?? 1) });
      turns[name]?.();
    },
    clearFaults: async () => {
      dc.clearFaults();
      dc.password = PASSWORD;
      dc.rights.nameless.clear();
      mend();
      mend = () => {};
    },
    resetCounters: async () => void dc.searches.splice(0),
    hire: async (many) => ({ ids: hire(many).map(idOf) }),
    rename: async (many) => {
      const some = alive().slice(0, many);
      for (const one of some) domain.set(one, { displayName: nextName() });
      return { ids: some.map(idOf) };
    },
    leave: async (who, how) => {
      const some = typeof who === 'number' ? enabled().slice(-who) : byId(who);
      for (const one of some) {
        if (how === 'disable') domain.set(one, { userAccountControl: '514' });
        else {
          left.set(one, { dn: one.dn, attributes: new Map(one.attributes) });
          domain.remove(one);
        }
      }
      return { ids: some.map(idOf) };
    },
    restore: async (ids) => {
      for (const one of byId(ids)) {
        const was = left.get(one);
        if (was !== undefined) domain.restore(one, was);
        left.delete(one);
      }
      return { ids };
    },
    changeGroup: async (id, { add = 0, remove = 0 }) => {
      const group = groups.find((one) => idOf(one) === id);
      const dns = group?.attributes.get('member')?.values.map(String) ?? [];
      const inside = alive().filter(({ dn }) => dns.includes(dn));
      const [removed, added] = [
        inside.slice(0, remove),
        alive()
          .filter((one) => !inside.includes(one))
          .slice(0, add),
      ];
      const gone = removed.map(({ dn }) => dn);
      if (group !== undefined)
        domain.set(group, {
          member: [...dns.filter((dn) => !gone.includes(dn)), ...added.map(({ dn }) => dn)],
        });
      return { added: added.map(idOf), removed: removed.map(idOf) };
    },
  };
  return {
    connect: (tuning) =>
      openLdap(
        {
          settings: LdapSettings.parse({
            url: dc.url,
            schema: 'active-directory',
            baseDn: STAFF,
            groupBaseDn: GROUPS,
            pageSize: PAGE_SIZE,
          }),
          credentials: LdapCredentials.parse({ bindDn: BIND_DN, password: PASSWORD }),
          network: { baseUrl: null, ca: dc.ca, proxy: null },
        },
        tuning,
      ),
    control,
    secrets: [PASSWORD, BIND_DN],
    close: () => dc.close(),
  };
}

connectorConformance('Active Directory', ({ pages }) => aDomain(pages), {
  abilities: ldapDefinition.abilities,
  // connectors/ldap/README.md, "What cannot happen here", has the reasons at length.
  cannot: [
    // A base that is not there (noSuchObject) is a wrong setting, and a group that is gone is found missing by a search that succeeds.
    'status-404',
    // No LDAP result says how long to wait (RFC 4511 section 4.1.9): "busy" is silent, and no refusal of rights is about pace.
    'throttled-seconds',
    'throttled-date',
    'throttled-absurd',
    'throttled-403',
    // A page leads to the next by a cookie for the same server; references to other servers are no pages and are not followed.
    'links',
    // A connection is signed in by name and password, not by a token that expires.
    'expiring-tokens',
    // The cookie is bound to the connection (RFC 2696 section 3): the suite holds that another instance calls it expired.
    'lasting-cursors',
  ],
});
