/** A real OpenLDAP server for one test file: own folder, own schema beside the standard ones, LDAPS with a test CA, on loopback. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'ldapts';
import { openKeys } from '../../simulators/certificates.ts';
import { freePort } from '../support/freePort.ts';

const SLAPD = 'slapd';
export const SUFFIX = 'dc=harbor,dc=example';
export const PASSWORD = 'tide-tables-are-not-secrets';
/** Sees everything, without limits. */
export const READER = `cn=rollcall,${SUFFIX}`;
/** Sees everything, but is given 500 entries at most, as slapd's default has it. */
export const LIMITED = `cn=limited,${SUFFIX}`;
/** Can sign in and see the base, and nothing else. */
export const BLIND = `cn=blind,${SUFFIX}`;
/** Sees all but memberOf. */
export const SHORTSIGHTED = `cn=shortsighted,${SUFFIX}`;
const MANAGER = `cn=manager,${SUFFIX}`;

/** null when slapd is on the PATH, else why the tests that need it cannot run here. */
export function whyNoSlapd(): string | null {
  return spawnSync(SLAPD, ['-VV']).status === 0 ? null : `${SLAPD} is not on the PATH`;
}

export type LdapEntry = {
  readonly dn: string;
  readonly [attribute: string]: string | Buffer | readonly (string | Buffer)[];
};

export type Slapd = {
  readonly url: string;
  /** The same server without TLS, on which StartTLS can be asked for. */
  readonly plainUrl: string;
  readonly port: number;
  readonly ca: string;
  /** As the administrator: to change what is there. */
  administer<T>(work: (client: Client) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
};

/** `entries`: besides the suffix and the accounts above; their parents first. */
export async function startSlapd(entries: readonly LdapEntry[], options = ''): Promise<Slapd> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-slapd-'));
  const keys = await openKeys(null);
  const files = { ca: keys.ca, crt: keys.serverCertificate, key: keys.serverKey };
  for (const [name, pem] of Object.entries(files)) writeFileSync(join(folder, name), pem, { mode: 0o600 });
  mkdirSync(join(folder, 'db'));
  writeFileSync(join(folder, 'slapd.conf'), configuration(folder, options));
  writeFileSync(join(folder, 'seed.ldif'), [...accounts, ...entries].map(toLdif).join('\n'));
  const loaded = spawnSync(SLAPD, [
    '-Ta',
    '-q',
    '-f',
    join(folder, 'slapd.conf'),
    '-l',
    join(folder, 'seed.ldif'),
  ]);
  if (loaded.status !== 0) throw new Error(`slapd took no entries: ${loaded.stderr}`);
  const [port, plainPort] = [await freePort(), await freePort()];
  const plainUrl = `ldap://127.0.0.1:${plainPort}`;
  const urls = `ldaps://127.0.0.1:${port}/ ${plainUrl}/`;
  const child = spawn(SLAPD, ['-f', join(folder, 'slapd.conf'), '-h', urls, '-d', '0'], { stdio: 'ignore' });
  const administer = administering(plainUrl);
  await answered(child, administer);
  return {
    url: `ldaps://localhost:${port}`,
    plainUrl: plainUrl.replace('127.0.0.1', 'localhost'),
    port,
    ca: keys.ca,
    administer,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function administering(url: string): Slapd['administer'] {
  return async (work) => {
    const client = new Client({ url });
    try {
      await client.bind(MANAGER, PASSWORD);
      return await work(client);
    } finally {
      await client.unbind();
    }
  };
}

async function answered(child: ChildProcess, administer: Slapd['administer']): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) break;
    try {
      return await administer(async () => {});
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25)); // not up yet
    }
  }
  throw new Error('slapd did not start');
}

const schemas = ['/etc/ldap/schema', '/etc/openldap/schema'].find((folder) => existsSync(folder)) ?? '';
const modules = ['/usr/lib/ldap', '/usr/lib64/openldap', '/usr/lib/openldap'].find((folder) =>
  existsSync(folder),
);

/** What Active Directory has and no standard schema: enough of it to keep its users and groups here. */
const activeDirectory = `
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.146 NAME 'objectSid' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.782 NAME 'objectCategory' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.662 NAME 'lockoutTime' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.2.840.113556.1.4.98 NAME 'primaryGroupID' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.141 NAME 'department' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.146 NAME 'company' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.35 NAME 'employeeID' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.423 NAME 'extensionAttribute1' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.9999 NAME 'badge' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP inetOrgPerson STRUCTURAL
  MAY ( objectGUID $ objectSid $ objectCategory $ sAMAccountName $ userPrincipalName $ userAccountControl $ accountExpires $
    lockoutTime $ proxyAddresses $ primaryGroupID $ department $ company $ employeeID $ extensionAttribute1 $ badge ) )
objectclass ( 1.2.840.113556.1.5.8 NAME 'group' SUP top STRUCTURAL
  MUST cn MAY ( objectGUID $ objectSid $ sAMAccountName $ member $ mail $ description ) )
`;

function configuration(folder: string, options: string): string {
  writeFileSync(join(folder, 'ad.schema'), activeDirectory);
  const everyone = [READER, LIMITED, SHORTSIGHTED].map((dn) => `by dn.exact="${dn}" read`).join(' ');
  return `
${['core', 'cosine', 'inetorgperson', 'nis'].map((name) => `include ${schemas}/${name}.schema`).join('\n')}
${modules === undefined ? '' : `modulepath ${modules}`}
moduleload back_mdb
moduleload memberof
include ${folder}/ad.schema
pidfile ${folder}/pid
TLSCertificateFile ${folder}/crt
TLSCertificateKeyFile ${folder}/key
database mdb
maxsize 268435456
suffix "${SUFFIX}"
rootdn "${MANAGER}"
rootpw ${PASSWORD}
directory ${folder}/db
index objectClass,entryUUID,objectGUID,member,memberOf eq
limits dn.exact="${READER}" size=unlimited size.prtotal=unlimited
limits dn.exact="${SHORTSIGHTED}" size=unlimited size.prtotal=unlimited
access to attrs=userPassword by anonymous auth by * none
access to attrs=memberOf by dn.exact="${SHORTSIGHTED}" none by dn.exact="${READER}" read by dn.exact="${LIMITED}" read
access to dn.base="ou=people,${SUFFIX}" ${everyone} by dn.exact="${BLIND}" read
access to dn.subtree="${SUFFIX}" ${everyone} by dn.exact="${BLIND}" search by anonymous auth by * none
overlay memberof
${options}
`;
}

const account = (dn: string): LdapEntry => ({
  dn,
  objectClass: ['organizationalRole', 'simpleSecurityObject'],
  cn: dn.slice(3, dn.indexOf(',')),
  userPassword: PASSWORD,
});

const accounts: readonly LdapEntry[] = [
  { dn: SUFFIX, objectClass: ['dcObject', 'organization'], o: 'Harbor Foods', dc: 'harbor' },
  ...[READER, LIMITED, BLIND, SHORTSIGHTED].map(account),
];

function toLdif({ dn, ...attributes }: LdapEntry): string {
  const lines = Object.entries(attributes).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one: string | Buffer) => line(name, one)),
  );
  return `${[line('dn', dn), ...lines].join('\n')}\n`;
}

function line(name: string, value: string | Buffer): string {
  return `${name}:: ${Buffer.from(value).toString('base64')}`;
}
