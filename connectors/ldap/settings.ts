/** What an administrator enters to connect a directory server, and what stands for what in the two kinds of schema. */
import { type Filter, FilterParser } from 'ldapts';
import { z } from 'zod';
import { TEXT_ATTRIBUTES } from '../../src/domain/directory.ts';

/**
 * The fields of a user that come from attributes; `id` and `dn` besides: what never changes, and what a DN can be looked up by.
 * The unit is read from the DN itself.
 */
const FIELDS = [...TEXT_ATTRIBUTES.filter((name) => name !== 'orgUnit'), 'manager', 'aliases'] as const;
export type Field = (typeof FIELDS)[number];

/** RFC 4512 section 2.5: a name or a numeric OID, options behind it. */
const AttributeName = z
  .string()
  .trim()
  .regex(/^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*$/, 'is no name of an attribute');

/**
 * How members are found: read from the group (`member`), asked for by the back-link that the server keeps at each user
 * (`member-of`), by Active Directory's in-chain rule (`in-chain`), or by name (`member-uid`, RFC 2307).
 */
const Membership = z.enum(['member', 'member-of', 'in-chain', 'member-uid']);

const Dn = z.string().trim().min(1);

const SearchFilter = z
  .string()
  .trim()
  .superRefine((text, context) => {
    const read = readFilter(text);
    if (!read.ok) context.addIssue({ code: 'custom', message: read.problem });
  });

export const LdapSettings = z
  .strictObject({
    /** `ldaps://host[:port]`, or `ldap://host[:port]`, which is secured by StartTLS before anything else is said. */
    url: z
      .url({
        protocol: /^ldaps?$/,
        hostname: /./,
        abort: true,
        error: 'must be the address of the server, such as ldaps://dc1.corp.example.com',
      })
      .refine((url) => isBare(new URL(url)), {
        error: 'must be the address of the server alone, without a path, a query or a user name',
      })
      .transform((url) => url.replace(/\/$/, '')),
    schema: z.enum(['active-directory', 'openldap']),
    /** Where the users are. */
    baseDn: Dn,
    /** Where the groups are; where the users are, unless it is given. */
    groupBaseDn: Dn.optional(),
    /** Instead of the schema's: which entries are users, and which groups count. */
    userFilter: SearchFilter.optional(),
    groupFilter: SearchFilter.optional(),
    /** Other attributes than the schema's, by field. */
    attributes: z
      .partialRecord(z.enum([...FIELDS, 'id', 'dn', 'groupName', 'groupMember', 'memberName']), AttributeName)
      .default({}),
    /** Kept under their own names in `custom`. */
    extraAttributes: z.array(AttributeName).max(100).default([]),
    /** An attribute that marks an entry as disabled: with one of `values`, or with any where none is given. */
    disabled: z.object({ attribute: AttributeName, values: z.array(z.string()).default([]) }).optional(),
    membership: Membership.optional(),
    /** Whether a user's primary group counts (Active Directory's primaryGroupID, RFC 2307's gidNumber). */
    primaryGroups: z.boolean().default(true),
    pageSize: z.int().min(1).max(5_000).optional(),
    /** Without TLS: for a server on this very machine, and for no other. */
    allowPlaintext: z.boolean().default(false),
  })
  .superRefine(({ url, schema, membership, allowPlaintext }, context) => {
    const issue = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message });
    const { protocol, hostname } = new URL(url);
    if (allowPlaintext && (protocol !== 'ldap:' || !isLoopback(hostname))) {
      issue(
        'allowPlaintext',
        'is only for ldap:// and a server on this machine: 127.0.0.1, [::1] or localhost',
      );
    }
    if (membership === 'in-chain' && schema !== 'active-directory')
      issue('membership', 'in-chain is a rule of Active Directory alone');
    if (membership === 'member-uid' && schema === 'active-directory')
      issue('membership', 'Active Directory keeps no members by name');
  });
export type LdapSettings = z.infer<typeof LdapSettings>;

/**
 * Both travel as they are. Another service at the address that the settings give, without TLS, must find no line end in them:
 * behind it, it would take a command of whoever entered them.
 */
const Line = z
  .string()
  .min(1)
  .regex(/^\P{Cc}*$/u, { error: 'holds a line end or another control character' });

/** Never without a password: servers take that for an anonymous sign-in, say yes, and show next to nothing (RFC 4513, 5.1.2). */
export const LdapCredentials = z.strictObject({
  /** A DN; Active Directory also takes `rollcall@corp.example.com`. */
  bindDn: z.string().trim().pipe(Line),
  password: Line,
});
export type LdapCredentials = z.infer<typeof LdapCredentials>;

function isBare({ pathname, search, hash, username, password }: URL): boolean {
  return pathname.replace('/', '') + search + hash + username + password === '';
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

type ReadFilter =
  | { readonly ok: true; readonly filter: Filter }
  | { readonly ok: false; readonly problem: string };

/** RFC 4515. `problem` says what is wrong and repeats nothing of the text. */
export function readFilter(text: string): ReadFilter {
  try {
    return { ok: true, filter: FilterParser.parseString(withoutEscapedText(text)) };
  } catch {
    return { ok: false, problem: 'is no search filter such as (&(objectClass=person)(department=Sales))' };
  }
}

/** ldapts takes each escaped byte for a character of its own: those of one character beyond ASCII have to be put together first. */
function withoutEscapedText(text: string): string {
  return text.replace(/(?:\\[89a-f][0-9a-f])+/gi, (escaped) =>
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(escaped.replaceAll('\\', ''), 'hex')),
  );
}

/** How a directory of one schema is read; settings replace single parts. */
export type Schema = {
  /** `guid`: 16 bytes in Microsoft's order. */
  readonly idFormat: 'guid' | 'text';
  readonly id: string;
  readonly dn: string;
  readonly userFilter: string;
  readonly groupFilter: string;
  /** Of groups that only lead to other groups, wherever they are. */
  readonly anyGroup: string;
  readonly membership: z.infer<typeof Membership>;
  readonly groupName: string;
  readonly groupMember: readonly string[];
  /** What `member-uid` names users by. */
  readonly memberName: string;
  /** Where a user and a group carry the number of a primary group. */
  readonly primaryGroup: string;
  readonly pageSize: number;
  /** In the order of preference. */
  readonly fields: Readonly<Record<Field, readonly string[]>>;
};

const shared = {
  givenName: ['givenName'],
  familyName: ['sn'],
  jobTitle: ['title'],
  division: ['division'],
  costCenter: [],
  employeeType: ['employeeType'],
  officeLocation: ['physicalDeliveryOfficeName'],
  phone: ['telephoneNumber'],
  mobilePhone: ['mobile'],
  locale: ['preferredLanguage'],
  manager: ['manager'],
  displayName: ['displayName', 'cn'],
} as const;

const SCHEMAS: Readonly<Record<LdapSettings['schema'], Schema>> = {
  'active-directory': {
    idFormat: 'guid',
    id: 'objectGUID',
    dn: 'distinguishedName',
    userFilter: '(&(objectCategory=person)(objectClass=user))',
    groupFilter: '(objectClass=group)',
    anyGroup: '(objectClass=group)',
    membership: 'member-of',
    groupName: 'cn',
    groupMember: ['member'],
    memberName: 'sAMAccountName',
    primaryGroup: 'primaryGroupID',
    pageSize: 1000,
    fields: {
      ...shared,
      userName: ['userPrincipalName', 'sAMAccountName'],
      email: ['mail'],
      department: ['department'],
      company: ['company'],
      employeeId: ['employeeID', 'employeeNumber'],
      aliases: ['proxyAddresses'],
    },
  },
  openldap: {
    idFormat: 'text',
    id: 'entryUUID',
    dn: 'entryDN',
    userFilter: '(objectClass=inetOrgPerson)',
    groupFilter: '(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))',
    anyGroup: '(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))',
    membership: 'member',
    groupName: 'cn',
    groupMember: ['member', 'uniqueMember'],
    memberName: 'uid',
    primaryGroup: 'gidNumber',
    pageSize: 500,
    fields: {
      ...shared,
      userName: ['uid'],
      email: ['mail'],
      department: ['departmentNumber'],
      company: ['o'],
      employeeId: ['employeeNumber'],
      aliases: ['mail'],
    },
  },
};

export function schemaOf(settings: LdapSettings): Schema {
  const schema = SCHEMAS[settings.schema];
  const { id, dn, groupName, groupMember, memberName, ...fields } = settings.attributes;
  const replaced = Object.fromEntries(
    Object.entries(fields).map(([field, attribute]) => [field, [attribute]]),
  );
  return {
    ...schema,
    id: id ?? schema.id,
    dn: dn ?? schema.dn,
    groupName: groupName ?? schema.groupName,
    groupMember: groupMember === undefined ? membersIn(settings, schema) : [groupMember],
    memberName: memberName ?? schema.memberName,
    userFilter: settings.userFilter ?? schema.userFilter,
    groupFilter: settings.groupFilter ?? schema.groupFilter,
    anyGroup:
      settings.groupFilter === undefined ? schema.anyGroup : `(|${schema.anyGroup}${settings.groupFilter})`,
    membership: settings.membership ?? schema.membership,
    pageSize: settings.pageSize ?? schema.pageSize,
    fields: { ...schema.fields, ...replaced },
  };
}

function membersIn({ membership }: LdapSettings, { groupMember }: Schema): readonly string[] {
  return membership === 'member-uid' ? ['memberUid'] : groupMember;
}
