/**
 * Google's words: the fields of the Directory API that Rollcall reads, and nothing else. Google's own types call most lists
 * `any`, so everything is checked here. Source: the Directory API reference, resources users, groups and members.
 */
import { z } from 'zod';
import { ExternalId } from '../../src/domain/ids.ts';
import { Identified } from '../unreadable.ts';

/** All that is read of a user. */
export const USER_FIELDS =
  'id,primaryEmail,name(givenName,familyName,fullName,displayName),suspended,archived,' +
  'deletionTime,isGuestUser,orgUnitPath,aliases,nonEditableAliases,emails,externalIds,relations,organizations,phones,' +
  'locations,languages,customSchemas';

/** What is asked for. `nextPageToken` must be among it, or every list ends after one page; `kind` tells an empty page from no list. */
export const fieldsOf = {
  users: `kind,nextPageToken,users(${USER_FIELDS})`,
  groups: 'kind,nextPageToken,groups(id,name,email)',
  members: 'kind,nextPageToken,members(id,type)',
  activities: 'kind,nextPageToken,items(id(time,uniqueQualifier),events(type,name,parameters(name,value)))',
} as const satisfies Record<string, string>;

/**
 * One page of a list. Google leaves the list's key out when the page is empty; an answer without it is a page only when
 * `kind` says so, and a `null` in its place never is.
 */
const pageOf = (key: string, kind: string) =>
  z
    .looseObject({
      kind: z.literal(kind).optional(),
      nextPageToken: z.string().min(1).optional(),
    })
    .transform((body, context) => {
      const objects = body[key] === undefined && body.kind !== undefined ? [] : body[key];
      if (Array.isArray(objects)) return { objects, nextPageToken: body.nextPageToken ?? null };
      context.addIssue({
        code: 'custom',
        path: [key],
        message: 'expected a list, or the kind of an empty one',
      });
      return z.NEVER;
    });

export const ListPage = {
  users: pageOf('users', 'admin#directory#users'),
  groups: pageOf('groups', 'admin#directory#groups'),
  members: pageOf('members', 'admin#directory#members'),
  activities: pageOf('items', 'admin#reports#activities'),
};

const text = z.string().nullish();
const flag = z.boolean().nullish();

/** Lists are lists, but a client that once wrote a lone object gets it back as one. Absent means empty. */
const listed = <Item extends z.ZodType>(item: Item) =>
  z.preprocess((value) => {
    if (value === undefined || value === null) return [];
    return Array.isArray(value) ? value : [value];
  }, z.array(item));

const customScalar = z.union([z.string(), z.number(), z.boolean()]);

/** A field of a custom schema: one value, or `{type, value}` objects where the field may hold several. */
const customField = z.union([customScalar.nullable(), listed(z.object({ value: customScalar }))]);

/** When a user was deleted, to tell who was so before. */
export const Dated = z.object({ deletionTime: z.string() });

export const DeletedUser = Identified.extend({
  primaryEmail: text,
  name: z.object({ givenName: text, familyName: text, fullName: text, displayName: text }).nullish(),
  suspended: flag,
  archived: flag,
  deletionTime: text,
  isGuestUser: flag,
  orgUnitPath: text,
  aliases: listed(z.string()),
  nonEditableAliases: listed(z.string()),
  emails: listed(z.object({ address: text })),
  externalIds: listed(z.object({ type: text, value: text })),
  relations: listed(z.object({ type: text, value: text })),
  organizations: listed(
    z.object({
      name: text,
      title: text,
      department: text,
      costCenter: text,
      description: text,
      location: text,
      primary: flag,
    }),
  ),
  phones: listed(z.object({ type: text, value: text, primary: flag })),
  locations: listed(z.object({ type: text, area: text, buildingId: text })),
  languages: listed(z.object({ languageCode: text, preference: text })),
  customSchemas: z.record(z.string(), z.record(z.string(), customField)).nullish(),
});

/** Among live users nobody is active because a flag was not there: without `suspended` the state is unknown. */
export const LiveUser = DeletedUser.extend({ suspended: z.boolean() });

/** What Google tells of an administrator's rank: every right, or those of a role. */
export const Administrator = z.object({ id: ExternalId, isAdmin: flag });

/** A user of either listing. */
export type GoogleUser = z.infer<typeof DeletedUser>;

export const Group = Identified.extend({ name: text, email: text });

export const Member = Identified.extend({ type: z.enum(['USER', 'GROUP', 'CUSTOMER', 'EXTERNAL']) });

/** Not paged. The list is left out where there is no unit but the top. */
export const OrgUnits = z.object({
  kind: z.literal('admin#directory#orgUnits'),
  organizationUnits: z
    .array(z.object({ orgUnitId: z.string().min(1), orgUnitPath: z.string().startsWith('/') }))
    .default([]),
});

/** One line of the admin audit log. An event may have no parameters at all. */
const Event = z.object({
  type: text,
  name: z.string(),
  parameters: listed(z.object({ name: text, value: text })),
});
export type Event = z.infer<typeof Event>;

export const Activity = z.object({
  id: z.object({ time: z.string(), uniqueQualifier: z.string().min(1) }),
  events: z.array(Event),
});

/** Who has, or had, an address. */
export const Addressed = Identified.extend({ primaryEmail: text, aliases: listed(z.string()) });

export const HasMember = z.object({ isMember: z.boolean() });

/** As members of groups name the whole account. */
export const CustomerOf = z.object({ customerId: z.string().min(1) });

/** A refusal of the API. Where the reason stands depends on the age of the check that refuses. */
export const ApiError = z.object({
  error: z.object({
    errors: listed(z.object({ reason: text })),
    details: listed(z.object({ reason: text })),
    status: text,
  }),
});

/** A refusal of the token endpoint (RFC 6749, section 5.2). */
export const TokenError = z.object({ error: z.string(), error_description: text });

export const AccessToken = z.object({
  access_token: z.string().min(1),
  expires_in: z.number().positive(),
  /** What was granted, separated by blanks. Google leaves it out where that is what was asked for. */
  scope: z.string().exactOptional(),
});

/** What the IAM Service Account Credentials API has signed. */
export const SignedJwt = z.object({ signedJwt: z.string().min(1) });
