/** The API of Rollcall. Written by `npm run client` from its OpenAPI document: not to be edited. */

export type Adjustment = {
  readonly id: string;
  readonly tenant: string;
  readonly connection: string;
  readonly externalId: string;
  /** Those that the mapping does not give. */
  readonly rolesAdded: readonly string[];
  /** Those that the mapping gives. */
  readonly rolesRemoved: readonly string[];
  /** Where they belong; null: where the mapping puts them. */
  readonly place: (string | null);
  readonly by: string;
  readonly reason: string;
  readonly createdAt: string;
};

export type ApiKey = {
  readonly id: string;
  readonly principal: string;
  readonly name: string;
  /** Where alone it holds; null: wherever its principal’s role does. */
  readonly tenant: (string | null);
  /** All that it may, as far as its principal may; null: what its principal may. */
  readonly permissions: (readonly ("tenants.read" | "tenants.write" | "connections.read" | "connections.write" | "runs.read" | "runs.start" | "changes.read" | "changes.decide" | "changes.apply" | "guards.override" | "users.read" | "users.write" | "roles.read" | "roles.write" | "principals.read" | "principals.write" | "audit.read" | "events.read" | "authorization.read" | "tokens.create" | "sign-in.read" | "sign-in.write" | "notifications.read" | "notifications.write" | "support.read" | "support.request" | "support.decide" | "support.end")[] | null);
  readonly createdAt: string;
  /** null: it does not expire. */
  readonly expiresAt: (string | null);
  /** null: it is good until it expires. */
  readonly revokedAt: (string | null);
  /** To the minute or so; null: never. */
  readonly lastUsedAt: (string | null);
  /** The key that it took the place of. */
  readonly replaces: (string | null);
};

export type Apply = {
  readonly id: string;
  readonly connection: string;
  readonly tenant: string;
  /** waiting: for its time. paused: nothing begins until it goes on. */
  readonly state: "waiting" | "running" | "paused" | "finished" | "cancelled";
  /** What is allowed now. */
  readonly actions: readonly string[];
  /** Name of the principal who started it; of one that a policy started: policy. */
  readonly by: string;
  /** Changes to be carried out. */
  readonly total: number;
  /** Those that have their outcome. */
  readonly done: number;
  /** Changes a second since it last began; null: not known. */
  readonly rate: number | null;
  /** At that rate; null: not known. */
  readonly secondsLeft: number | null;
  readonly applied: number;
  readonly alreadyApplied: number;
  /** Sent back: the auth user had changed since the plan. */
  readonly moved: number;
  readonly failed: number;
  /** By a guard: since the plan, somebody had become the last, or the last seat was taken. */
  readonly held: number;
  /** Why it waits, is paused, was cancelled or was given up. */
  readonly halt: ({
    readonly because: "delay" | "window" | "freeze" | "queue" | "by-hand" | "first-part" | "trouble" | "health" | "person" | "started-by-hand" | "given-up";
    /** Who said so; null: nobody did. */
    readonly by: string | null;
    /** What they said; why it was given up; or, of a pause that keeps the rest back, what was found, with its figures. */
    readonly reason: string | null;
    readonly at: string;
  } | null);
  /** `halt` in words. */
  readonly explanation: string | null;
  /** Of one that keeps the rest back until somebody has looked: what to do. */
  readonly remedy: string | null;
  /** Of one that waits: not before. */
  readonly startsAt: (string | null);
  /** Of one that is paused: when it goes on by itself; null: when somebody says so. */
  readonly resumesAt: (string | null);
  /** Why it goes on in a freeze period, where somebody said that it does. */
  readonly despiteFreeze: string | null;
  readonly createdAt: string;
  readonly finishedAt: (string | null);
};

export type AuditEntry = {
  readonly number: number;
  readonly at: string;
  readonly actor: {
    readonly kind: "person" | "operator" | "support" | "system";
    readonly id: string | null;
    readonly name: string;
  };
  readonly action: string;
  readonly subject: {
    readonly kind: string;
    readonly id: string;
  };
  readonly details: { readonly [name: string]: unknown };
  /** SHA-256 over the hash before and all that this entry says, hexadecimal. */
  readonly hash: string;
};

export type Authorization = {
  readonly user: string;
  /** The user’s own. */
  readonly tenant: string;
  /** false: the user or the tenant is suspended or deleted, and nothing holds. */
  readonly active: boolean;
  /** Stays as long as all the rest does; the `ETag` too. */
  readonly version: string;
  /** For a row, the entry counts whose data key is the longest that the row’s key begins with. */
  readonly entries: readonly AuthorizationEntry[];
};

export type AuthorizationEntry = {
  readonly tenant: string;
  /** Of the tenant. */
  readonly name: string;
  /** The key that the rows of this tenant carry, and the beginning of those below it. */
  readonly dataKey: string;
  /** Sorted. */
  readonly roles: readonly string[];
  /** Of all these roles, sorted. */
  readonly permissions: readonly string[];
};

export type Change = {
  readonly id: string;
  readonly tenant: string;
  readonly connection: string;
  readonly externalId: string;
  readonly authUser: (string | null);
  /** What to call the person. */
  readonly name: string;
  readonly kind: "create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict";
  readonly set: "new" | "changed" | "deleted" | "conflict";
  readonly cause: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly fields: readonly {
    readonly field: string;
    readonly before: (string | number | boolean | readonly string[] | null);
    readonly after: (string | number | boolean | readonly string[] | null);
    /** first: the value is given once, and the directory never changes it. Missing: the directory owns the field. */
    readonly owner?: "first";
  }[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly candidates: readonly {
    readonly authUser: string;
    readonly because: string;
    /** The matching rules that name it. */
    readonly evidence?: readonly {
      readonly by: string;
      readonly confidence: "certain" | "likely";
    }[];
  }[];
  /** How much it could harm, as far as that was known when it was proposed. */
  readonly risk: {
    readonly level: "low" | "medium" | "high";
    readonly reasons: readonly {
      readonly signal: string;
      readonly because: string;
    }[];
  };
  /** The same for all changes that do the same; a filter for them. */
  readonly difference: string;
  /** What a decision is bound to; send it with the decision. */
  readonly fingerprint: string;
  readonly baseVersion: number | null;
  readonly state: "open" | "approved" | "rejected" | "held" | "moved" | "applied" | "failed" | "superseded";
  /** What is allowed now. */
  readonly actions: readonly string[];
  /** What settles a conflict, which nobody can approve; null for all other changes. */
  readonly remedy: string | null;
  readonly decision: ({
    /** To approve what is held, send it with the decision. */
    readonly id: string;
    readonly verdict: "approve" | "reject" | "hold";
    readonly madeBy: string;
    readonly by: string | null;
    readonly reason: string;
    readonly finding: unknown;
    /** Of a refusal or a holding back: how long it stands; null: until the content changes. */
    readonly until: (string | null);
    readonly at: string;
  } | null);
  /** What the policy asks for; null: one approval by anybody who may decide is enough. */
  readonly approvals: ({
    /** Of the policy, which asks for it; null: the most that any of the rules asks. */
    readonly rule: string | null;
    /** Whose rule it is: that of the connection, of its tenant, or of a tenant above. */
    readonly level: "connection" | "tenant" | "above";
    readonly needed: number;
    /** The role that approves; whoever may do more does too. */
    readonly from: "reviewer" | "tenant-administrator" | "system";
    /** Whether whoever has changed the connection's configuration since the last apply before the change counts. */
    readonly configurators: "allowed" | "refused";
    /** Those that count now, by different people, oldest first. */
    readonly given: readonly {
      readonly by: string;
      readonly at: string;
      readonly reason: string;
    }[];
    readonly deadline: (string | null);
    /** After the deadline, one of the approvals has to be by this role, or by one that may do more. */
    readonly escalateTo: ("reviewer" | "tenant-administrator" | "system" | null);
    readonly overdue: boolean;
    /** How long an approval may wait to be applied; then the change is open again. null: for ever. */
    readonly validHours: number | null;
  } | null);
  /** Who is to look at it; null: nobody was told to. */
  readonly assignee: ({
    readonly id: string;
    readonly name: string;
  } | null);
  readonly apply: (string | null);
  readonly outcome: ("applied" | "already-applied" | "moved" | "failed" | "held" | null);
  readonly outcomeReason: string | null;
  /** Why it is gone, or waits again. */
  readonly note: (ChangeNote | null);
  /** The change that it takes back; null: none. */
  readonly undoes: (string | null);
  /** Why somebody wants it taken back; null: nobody said. */
  readonly undoReason: string | null;
  readonly revision: number;
  readonly createdAt: string;
};

export type ChangeGroup = {
  /** What they have in common; empty: they have none. */
  readonly key: string;
  /** One line for all of them, in plain words. */
  readonly label: string;
  readonly changes: number;
  readonly kinds: { readonly [name: string]: number };
  readonly states: { readonly [name: string]: number };
  readonly risks: { readonly [name: string]: number };
  /** A few of them. */
  readonly sample: readonly {
    readonly id: string;
    readonly name: string;
  }[];
  /** Beside the tenant, connection and states that were asked for: lists them, and decides on them. By connection, `key` is its id. */
  readonly filter: {
    /** Only those of this set. */
    readonly set?: "new" | "changed" | "deleted" | "conflict";
    /** Only those of these kinds. */
    readonly kind?: readonly ("create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict")[];
    /** Only those with this cause. */
    readonly cause?: "joined" | "matched-by-email" | "matched-by-rule" | "returned" | "edited" | "group-membership" | "mapping-changed" | "local-edit" | "suspended" | "deprovisioned" | "left" | "out-of-scope" | "scope-changed" | "address-taken" | "address-shared" | "address-unverified" | "placed" | "tenant-missing" | "tenant-unknown" | "match-unsure" | "several-candidates" | "grace-over" | "undo";
    /** Only those of these risks. */
    readonly risk?: readonly ("low" | "medium" | "high")[];
    /** Only those that change all of these fields; empty: those that change none. */
    readonly field?: readonly string[];
    /** Only of people in this department afterwards, or before they leave; empty: in none. */
    readonly department?: string;
    /** Only of people in this organisational unit; empty: in none. */
    readonly orgUnit?: string;
    /** Only those that give all of these roles; empty: those that give none. */
    readonly roleGained?: readonly string[];
    /** Only those that take all of these roles; empty: those that take none. */
    readonly roleLost?: readonly string[];
    /** Only those that do the same: the `difference` of one of them. */
    readonly difference?: string;
    /** Only those that this guard holds; empty: that none does. */
    readonly guard?: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person" | "";
    /** Only those that the policy rule of this name has the say on, whatever became of them; empty: no rule has. */
    readonly rule?: string;
    /** Only those that this principal is to look at; me: the caller; empty: nobody is. */
    readonly assignee?: (string | "me" | "");
    /** over: only those that were not decided within the deadline that a policy gives. */
    readonly deadline?: "over";
    /** Part of a name, address or external id, in any case. */
    readonly search?: string;
  };
};

export type ChangeGroups = {
  readonly by: "difference" | "cause" | "kind" | "risk" | "department" | "org-unit" | "role-gained" | "role-lost" | "field" | "guard" | "connection";
  /** All that match, each once, also where one belongs to several groups. */
  readonly changes: number;
  readonly groups: number;
  /** null: all are counted. With a search: the oldest so many were looked at, and there are more. */
  readonly lookedAt: number | null;
  /** Of the change sets concerned, as counted here; send them with a decision about a group. */
  readonly revisions: readonly {
    readonly connection: string;
    readonly revision: number;
  }[];
  /** The largest first. */
  readonly items: readonly ChangeGroup[];
  /** `after` of the following page; null: this was the last one. */
  readonly next: string | null;
};

export type ChangeNote = {
  /** replaced: something else is proposed. agrees, away: nothing is left to be done. same-person: of a pair, somebody said that both are one. time-up: a refusal, or the holding back, has ended. expired: it was approved, and not applied for as long as the policy lets an approval wait. */
  readonly because: "replaced" | "agrees" | "away" | "same-person" | "time-up" | "expired";
  /** The change that is proposed instead; or who had decided. */
  readonly by?: string;
  readonly was?: "rejected" | "held";
  readonly reason?: string;
  readonly until?: string;
  readonly pair?: string;
  /** The auth user who goes on. */
  readonly user?: string;
};

export type ChangedDestinationInput = ({
  readonly type: "email";
  readonly to?: readonly string[];
  /** With its password, as for a new one. Missing: it stays. */
  readonly server?: (MailServerInput | null);
} | {
  readonly type: "slack";
  /** Of the incoming webhook. Whoever has it can post there: written and never shown. */
  readonly url: string;
  /** PEM certificates to trust besides the system's. */
  readonly ca?: (string | null);
} | {
  readonly type: "teams";
  /** Of the incoming webhook. Whoever has it can post there: written and never shown. */
  readonly url: string;
  /** PEM certificates to trust besides the system's. */
  readonly ca?: (string | null);
});

export type CheckStep = {
  readonly step: "reach" | "credential" | "permission" | "users" | "groups" | "members" | "look-up" | "changes";
  readonly ok: boolean;
  /** A full pull works without it. */
  readonly optional?: true;
  readonly detail: string;
  /** Who has to do what, where the step failed. */
  readonly remedy?: string;
};

export type Comment = {
  readonly id: string;
  /** The one that it was said about: of the same person, be it not the one asked for. */
  readonly change: string;
  readonly by: string;
  readonly text: string;
  readonly at: string;
};

export type Configuration = {
  /** YAML. Credentials never come out. */
  readonly configuration: string;
  /** How many a file cannot name: connections that cannot be read; local users without a user name that is theirs alone; users with roles given by hand, of a connection that the file does not have. */
  readonly leftOut: {
    readonly connections: number;
    readonly users: number;
    readonly directoryUsers: number;
  };
};

export type ConfigurationChange = {
  readonly kind: "role" | "product-plan" | "tenant" | "connection" | "user";
  readonly action: "create" | "update";
  readonly name: string;
  readonly fields: readonly {
    readonly field: string;
    readonly before: unknown;
    readonly after: unknown;
  }[];
};

export type ConfigurationDifference = {
  /** For loading: this is what was seen. */
  readonly stamp: string;
  readonly differences: readonly ConfigurationChange[];
  /** Users of directories that have not brought them yet: what is given to them is given by a later load. */
  readonly waiting: number;
  /** What is there and not in the file: left alone. */
  readonly unnamed: {
    readonly roles: number;
    readonly productPlans: number;
    readonly tenants: number;
    readonly connections: number;
    readonly users: number;
    readonly domains: number;
    readonly assignments: number;
  };
};

export type Connection = {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly provider: "entra" | "okta" | "google" | "ldap" | "scim" | "file";
  /** In the provider’s words. */
  readonly settings: unknown;
  /** The proxy without user and password. */
  readonly network: {
    readonly baseUrl: string | null;
    readonly ca: string | null;
    readonly proxy: string | null;
    /** Of the provider’s rate limits, what this connection may use; a half where it is missing. */
    readonly share?: number;
  };
  readonly mapping: Mapping;
  readonly policy: Policy;
  /** Cron expression in `timeZone`; null: only on demand. */
  readonly schedule: string | null;
  readonly timeZone: string;
  readonly state: "active" | "paused";
  /** `iss` of the tokens that the directory’s users sign in with; null: not known. */
  readonly issuer: string | null;
  /** Of the change set: grows with every plan that alters it. */
  readonly changeRevision: number;
  /** Grows when settings, credentials or network change (but for the share): another part of the directory may then be visible. */
  readonly accessVersion: number;
  readonly version: number;
  /** From the runs that are recorded. */
  readonly health: ConnectionHealth;
  /** When the credential ends, of which people are told a month before; null: it does not say, as secrets and tokens do not. */
  readonly credentialExpiresAt: (string | null);
  /** Of guards that let more through for a time. */
  readonly overrides: readonly GuardOverride[];
  readonly createdAt: string;
};

export type ConnectionHealth = {
  /** degraded: the last run failed or read only part. quarantined: runs have failed repeatedly, and those by schedule are spaced; one on demand may start, and the first that finishes ends it. silent: runs were due, and none has ended. */
  readonly state: "active" | "degraded" | "quarantined" | "silent";
  readonly since: (string | null);
  /** null while it is active. */
  readonly because: string | null;
  /** Who has to act: nobody, because it passes by itself; an administrator of the tenant; or whoever runs Rollcall. */
  readonly who: ("nobody" | "administrator" | "us" | null);
  readonly remedy: string | null;
  /** When a run starts next by itself; null: none does. */
  readonly nextScheduledAt: (string | null);
  /** Changes of the last seven days that deltas should have found and only full runs did. */
  readonly missedByDeltas: number;
};

export type ConnectionPolicyView = {
  readonly connection: string;
  readonly connectionName: string;
  readonly tenant: string;
  /** In which the conditions of its own rules see days and hours. */
  readonly timeZone: string;
  /** Its own; part of its policy. */
  readonly rules: readonly {
    readonly name: string;
    readonly when: string;
    readonly decide: ("approve" | {
      readonly require?: {
        readonly approvals: number;
        readonly from: "reviewer" | "tenant-administrator" | "system";
        readonly configurators?: "allowed" | "refused";
        readonly deadlineHours?: number;
        readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
        readonly validHours?: number;
      };
      readonly hold?: {
        readonly reason: string;
      };
      readonly reject?: {
        readonly reason: string;
      };
      readonly ignore?: {
        readonly reason: string;
        readonly days: number;
      };
    });
  }[];
  /** Of its tenant and of those above that you see, from the top down. What is stricter counts. */
  readonly inherited: readonly {
    readonly timeZone: string;
    readonly rules: readonly {
      readonly name: string;
      readonly when: string;
      readonly decide: ("approve" | {
        readonly require?: {
          readonly approvals: number;
          readonly from: "reviewer" | "tenant-administrator" | "system";
          readonly configurators?: "allowed" | "refused";
          readonly deadlineHours?: number;
          readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
          readonly validHours?: number;
        };
        readonly hold?: {
          readonly reason: string;
        };
        readonly reject?: {
          readonly reason: string;
        };
        readonly ignore?: {
          readonly reason: string;
          readonly days: number;
        };
      });
    }[];
    readonly freezes: readonly {
      readonly name: string;
      readonly from: string;
      readonly until: string;
    }[];
    readonly tenant: string;
    readonly tenantName: string;
  }[];
  /** Tenants above that you do not see have rules as well. */
  readonly hasHidden: boolean;
  /** Own rules that can be seen to decide nothing, because a tenant above is at least as strict. */
  readonly idle: readonly {
    readonly rule: string;
    readonly because: string;
  }[];
};

export type ConnectionPreview = {
  /** Up to five users as they would be mapped. */
  readonly sample: readonly {
    readonly externalId: string;
    readonly state: "active" | "suspended" | "deleted";
    readonly fields: { readonly [name: string]: (string | number | boolean | readonly string[] | null) };
    readonly roles: readonly string[];
    /** Names below the connection’s tenant, joined by slashes; null: that tenant itself. */
    readonly tenant: string | null;
  }[];
  /** What the mapping makes of the active of `peopleInTree`, each tenant behind the one above it. */
  readonly tree: readonly {
    readonly tenant: string | null;
    /** made: missing, and made when it is applied. missing, or closed because it is to be deleted: whoever belongs there waits for a person. */
    readonly is: "there" | "made" | "missing" | "closed";
    readonly people: number;
    readonly roles: readonly {
      readonly role: string;
      readonly people: number;
    }[];
  }[];
  readonly peopleInTree: number;
  /** Whether `roles` has those that follow from groups too. */
  readonly groupRolesShown: boolean;
  /** How many users a full pull would name; null: unknown. */
  readonly users: number | null;
  /** Of a full pull at the pace of the first pages; null: unknown. */
  readonly seconds: number | null;
  /** Roles that `mapping` names and that there are not: saving it makes them. */
  readonly newRoles: readonly {
    readonly role: string;
    /** Roles that there are of nearly this name, the nearest first: one of them may be meant. */
    readonly similar: readonly string[];
  }[];
  /** What will not work. */
  readonly shortcomings: readonly {
    readonly what: string;
    readonly why: string;
  }[];
};

export type Destination = ({
  readonly type: "email";
  readonly to: readonly string[];
  /** null: the install's mail server. */
  readonly server: ({
    readonly host: string;
    readonly port: number;
    readonly tls: "starttls" | "implicit";
    /** With one there is a password, which is not shown. */
    readonly user: string | null;
    readonly from: string;
    readonly ca: string | null;
  } | null);
} | {
  readonly type: "slack";
  /** Of the webhook, whose whole address is not shown. */
  readonly host: string;
  readonly ca: string | null;
} | {
  readonly type: "teams";
  /** Of the webhook, whose whole address is not shown. */
  readonly host: string;
  readonly ca: string | null;
});

export type DomainClaim = {
  readonly id: string;
  readonly tenant: string;
  readonly domain: string;
  /** What to set in the zone of the domain. */
  readonly record: {
    readonly name: string;
    readonly type: "TXT";
    readonly value: string;
  };
  /** lost: verified, and its record was not seen the last time. Nobody loses anything by it. */
  readonly state: "pending" | "verified" | "lost";
  /** When the record was last looked for. */
  readonly checkedAt: (string | null);
  /** When it was last seen. */
  readonly foundAt: (string | null);
  /** Why it was not seen the last time. */
  readonly problem: string | null;
  /** Other tenants, of those that you may see, for which the same domain is verified. */
  readonly alsoVerifiedFor: readonly string[];
  readonly createdAt: string;
};

export type Event = {
  readonly id: string;
  /** Handed in as `after`, goes on behind this event, now or later. */
  readonly cursor: string;
  /** Of an event that is for all tenants: the caller’s own. */
  readonly tenant: string;
  /** null: the event is about the tenant itself, or for all tenants. */
  readonly authUser: (string | null);
  /** null: it does not come from a directory. */
  readonly change: (string | null);
  readonly type: string;
  /** Orders the events of one user. */
  readonly userVersion: number | null;
  /** Names of the fields that changed, roles gained and lost. Values are read from the user. */
  readonly data: { readonly [name: string]: unknown };
  readonly createdAt: string;
};

export type ExplainedPerson = {
  readonly connection: string;
  readonly externalId: string;
  readonly standing: "linked" | "waits" | "held" | "refused" | "conflict" | "out-of-scope" | "left-out" | "unreadable" | "not-active" | "next" | "absent";
  /** The standing as a sentence. */
  readonly says: string;
  /** The problem of their record, or the expression that does not hold; null: the standing says it all. */
  readonly because: string | null;
  /** Out of scope: what the scope looks at of them. */
  readonly looksAt: ({ readonly [name: string]: (string | number | boolean | readonly string[] | null) } | null);
  /** The auth user that they are linked to. */
  readonly user: (string | null);
  /** Those that the mapping reads, by name. null: not in the directory as last read. */
  readonly groups: (readonly string[] | null);
  /** What waits, or was refused. */
  readonly change: (Change | null);
  /** When everybody was read for the last time. */
  readonly lastComplete: ({
    readonly run: string;
    readonly at: string;
  } | null);
  /** The oldest first; of those, the last two hundred. */
  readonly timeline: readonly TimelineEntry[];
};

export type Explanation = {
  readonly user: string;
  /** Permissions that the caller has not. Where there are any, what mappings and directories say is not shown: groups, why roles are held, roles not held, where fields come from. */
  readonly notShownWithout: readonly ("tenants.read" | "tenants.write" | "connections.read" | "connections.write" | "runs.read" | "runs.start" | "changes.read" | "changes.decide" | "changes.apply" | "guards.override" | "users.read" | "users.write" | "roles.read" | "roles.write" | "principals.read" | "principals.write" | "audit.read" | "events.read" | "authorization.read" | "tokens.create" | "sign-in.read" | "sign-in.write" | "notifications.read" | "notifications.write" | "support.read" | "support.request" | "support.decide" | "support.end")[];
  /** When all that was personal was removed for good; null: it was not. */
  readonly purgedAt: (string | null);
  readonly identities: readonly {
    readonly connection: string;
    readonly externalId: string;
    /** Those that the mapping reads, by name. null: not in the directory as last read, or not shown. */
    readonly groups: (readonly string[] | null);
    /** However the two differ, that is agreed on: nothing is proposed until one of them changes, as after an undo. */
    readonly isAgreed: boolean;
    /** What waits for them there, or was refused; null: nothing, or not shown. */
    readonly change: ({
      readonly id: string;
      readonly kind: "create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict";
      readonly state: "open" | "approved" | "rejected" | "held" | "moved" | "applied" | "failed" | "superseded";
      readonly rolesLost: readonly string[];
    } | null);
  }[];
  readonly roles: readonly {
    readonly role: string;
    /** Where it is held; it holds below too. */
    readonly tenant: string;
    readonly origin: "directory" | "manual";
    readonly connection: (string | null);
    readonly grantedAt: string;
    /** What gives it. Empty: nothing any more, and the next plan proposes to take it, unless that is agreed on. null: given by hand, the connection is out of the caller’s reach, or not shown. */
    readonly because: (readonly RoleReason[] | null);
    /** Who gave it by hand, with the number of the audit entry. null: nobody did, or the caller may not read the audit log. */
    readonly givenBy: ({
      readonly by: string;
      readonly at: string;
      readonly audit: number;
    } | null);
  }[];
  /** Roles that the mapping gives, and that are not held: a change waits, was refused, or was taken back. */
  readonly notHeld: readonly {
    readonly role: string;
    readonly connection: string;
    readonly because: readonly RoleReason[];
  }[];
  /** Those that have a value. */
  readonly fields: readonly FieldSource[];
};

export type FieldSource = {
  readonly field: string;
  readonly value: (string | number | boolean | readonly string[] | null);
  /** hand: a person gave the value; only told to whom the audit log is. above: a directory of a tenant above, of which nothing is told here. before: it was given earlier, by what is otherwise by now. null: not shown. */
  readonly because: (({
    readonly from: "attribute";
    readonly attribute: string;
    /** The mapping does more than take it over. */
    readonly changed: boolean;
  } | {
    readonly from: "expression";
    readonly expression: string;
  } | {
    readonly from: "default";
  } | {
    readonly from: "hand";
    readonly by: string;
    readonly at: string;
    readonly audit: number;
  } | {
    readonly from: "above";
  } | {
    readonly from: "before";
  }) | null);
  /** Whose directory gives it; null: none does. */
  readonly connection: (string | null);
  /** Who decides what it holds; first: whoever gives it a value first. null: no directory sets it. */
  readonly owner: ("directory" | "first" | null);
  /** Another value, that a directory gives. */
  readonly wanted: ({
    readonly connection: string;
    readonly value: (string | number | boolean | readonly string[] | null);
  } | null);
};

export type ForeseenChange = {
  readonly tenant: string;
  readonly connection: string;
  readonly externalId: string;
  readonly authUser: (string | null);
  /** What to call the person. */
  readonly name: string;
  readonly kind: "create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict";
  readonly set: "new" | "changed" | "deleted" | "conflict";
  readonly cause: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly fields: readonly {
    readonly field: string;
    readonly before: (string | number | boolean | readonly string[] | null);
    readonly after: (string | number | boolean | readonly string[] | null);
    /** first: the value is given once, and the directory never changes it. Missing: the directory owns the field. */
    readonly owner?: "first";
  }[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly candidates: readonly {
    readonly authUser: string;
    readonly because: string;
    /** The matching rules that name it. */
    readonly evidence?: readonly {
      readonly by: string;
      readonly confidence: "certain" | "likely";
    }[];
  }[];
  /** How much it could harm, as far as that was known when it was proposed. */
  readonly risk: {
    readonly level: "low" | "medium" | "high";
    readonly reasons: readonly {
      readonly signal: string;
      readonly because: string;
    }[];
  };
  /** The same for all changes that do the same; a filter for them. */
  readonly difference: string;
  /** What a decision is bound to; send it with the decision. */
  readonly fingerprint: string;
  readonly baseVersion: number | null;
  readonly state: "open" | "approved" | "rejected" | "held" | "moved" | "applied" | "failed" | "superseded";
  /** What settles a conflict, which nobody can approve; null for all other changes. */
  readonly remedy: string | null;
  /** What the policy asks for; null: one approval by anybody who may decide is enough. */
  readonly approvals: ({
    /** Of the policy, which asks for it; null: the most that any of the rules asks. */
    readonly rule: string | null;
    /** Whose rule it is: that of the connection, of its tenant, or of a tenant above. */
    readonly level: "connection" | "tenant" | "above";
    readonly needed: number;
    /** The role that approves; whoever may do more does too. */
    readonly from: "reviewer" | "tenant-administrator" | "system";
    /** Whether whoever has changed the connection's configuration since the last apply before the change counts. */
    readonly configurators: "allowed" | "refused";
    /** Those that count now, by different people, oldest first. */
    readonly given: readonly {
      readonly by: string;
      readonly at: string;
      readonly reason: string;
    }[];
    readonly deadline: (string | null);
    /** After the deadline, one of the approvals has to be by this role, or by one that may do more. */
    readonly escalateTo: ("reviewer" | "tenant-administrator" | "system" | null);
    readonly overdue: boolean;
    /** How long an approval may wait to be applied; then the change is open again. null: for ever. */
    readonly validHours: number | null;
  } | null);
  /** Who is to look at it; null: nobody was told to. */
  readonly assignee: ({
    readonly id: string;
    readonly name: string;
  } | null);
  /** Why it is gone, or waits again. */
  readonly note: (ChangeNote | null);
  /** The change that it takes back; null: none. */
  readonly undoes: (string | null);
  /** Why somebody wants it taken back; null: nobody said. */
  readonly undoReason: string | null;
};

export type GuardFinding = {
  readonly guard: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person";
  readonly counted: number;
  /** What would have been let through. */
  readonly limit: number;
  readonly field?: string;
  readonly role?: string;
  /** The domain, organisational unit, or id of the group. */
  readonly part?: string;
  /** What people call it. */
  readonly name?: string;
  /** How many it had. */
  readonly before?: number;
  /** Roles that the policy names and that do not exist. */
  readonly unknown?: readonly string[];
  readonly hours?: number;
  /** Why nothing is held for it all the same. */
  readonly overridden?: {
    readonly allowed: number | null;
    readonly by: string;
    readonly reason: string;
    readonly until: string;
  };
};

export type GuardOverride = {
  readonly id: string;
  readonly connection: string;
  readonly tenant: string;
  readonly guard: "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes";
  /** Up to so many go; null: all. */
  readonly allowed: number | null;
  readonly by: string;
  readonly reason: string;
  readonly until: string;
  readonly createdAt: string;
};

export type LoadedConfiguration = {
  readonly roles: {
    readonly created: number;
    readonly updated: number;
  };
  readonly productPlans: {
    readonly created: number;
    readonly updated: number;
  };
  readonly tenants: {
    readonly created: number;
    readonly updated: number;
  };
  readonly connections: {
    readonly created: number;
    readonly updated: number;
  };
  readonly users: {
    readonly created: number;
    readonly updated: number;
  };
};

export type MailServerInput = {
  readonly host: string;
  readonly port?: number;
  /** implicit: from the first byte, as on port 465. Without TLS nothing is sent. */
  readonly tls?: "starttls" | "implicit";
  /** null: without a login. */
  readonly user?: (string | null);
  /** Written and never shown. */
  readonly password?: (string | null);
  /** The sender. */
  readonly from: string;
  /** PEM certificates to trust besides the system's. */
  readonly ca?: (string | null);
};

export type Mapping = {
  readonly omit: readonly ("givenName" | "familyName" | "jobTitle" | "department" | "division" | "costCenter" | "company" | "employeeId" | "employeeType" | "officeLocation" | "phone" | "mobilePhone" | "locale" | "orgUnit" | "userType" | "manager")[];
  readonly custom: readonly string[];
  readonly roles: readonly {
    readonly group: string;
    readonly role: string;
  }[];
  readonly everyone: readonly string[];
  readonly groups: (readonly string[] | null);
  readonly rules?: readonly {
    readonly when: {
      readonly group?: string;
      readonly attribute?: {
        readonly name: string;
        readonly equals?: string;
        readonly in?: readonly string[];
        readonly begins?: string;
      };
      readonly orgUnit?: {
        readonly path: string;
        readonly below: boolean;
      };
    };
    readonly roles: readonly string[];
    readonly tenant: string | null;
    readonly create: boolean;
    readonly stop: boolean;
  }[];
  readonly attributes?: { readonly [name: string]: {
    readonly from?: string;
    readonly value?: string;
    readonly transform?: readonly ("lower" | "upper" | "beforeAt" | "afterAt" | "digits")[];
    readonly default?: (string | number | boolean | readonly string[]);
    readonly owner: "directory" | "first" | "local";
  } };
  readonly scope?: string;
};

export type MappingInput = {
  readonly omit?: readonly ("givenName" | "familyName" | "jobTitle" | "department" | "division" | "costCenter" | "company" | "employeeId" | "employeeType" | "officeLocation" | "phone" | "mobilePhone" | "locale" | "orgUnit" | "userType" | "manager")[];
  readonly custom?: readonly string[];
  readonly roles?: readonly {
    readonly group: string;
    readonly role: string;
  }[];
  readonly everyone?: readonly string[];
  readonly groups?: (readonly string[] | null);
  readonly rules?: readonly {
    readonly when?: {
      readonly group?: string;
      readonly attribute?: {
        readonly name: string;
        readonly equals?: string;
        readonly in?: readonly string[];
        readonly begins?: string;
      };
      readonly orgUnit?: {
        readonly path: string;
        readonly below?: boolean;
      };
    };
    readonly roles?: readonly string[];
    readonly tenant?: string | null;
    readonly create?: boolean;
    readonly stop?: boolean;
  }[];
  readonly attributes?: { readonly [name: string]: {
    readonly from?: string;
    readonly value?: string;
    readonly transform?: readonly ("lower" | "upper" | "beforeAt" | "afterAt" | "digits")[];
    readonly default?: (string | number | boolean | readonly string[]);
    readonly owner?: "directory" | "first" | "local";
  } };
  readonly scope?: string;
};

export type MappingPreview = {
  /** When the directory was last read completely. */
  readonly readAt: string;
  /** Directory users that were looked at. */
  readonly users: number;
  /** Of these, those for whom the scope of the mapping does not hold. */
  readonly outOfScope: number;
  /** Of whom nothing can be made out: nothing would follow for them. */
  readonly unreadable: readonly UnreadableUsers[];
  /** Pending changes as they are. */
  readonly before: RunCounts;
  /** As they would be. */
  readonly after: RunCounts;
  /** Changes that would come, by kind; a kind without any is left out. */
  readonly proposed: { readonly [name: string]: number };
  /** Pending changes that would go. */
  readonly withdrawn: number;
  /** Of the changes that would come: by how many users each role is gained and lost. */
  readonly roles: readonly {
    readonly role: string;
    readonly gained: number;
    readonly lost: number;
  }[];
  /** Roles that the mapping names and that there are not: they are made when it is saved by somebody who may write roles. */
  readonly newRoles: readonly {
    readonly role: string;
    /** Roles that there are of nearly this name, the nearest first: one of them may be meant. */
    readonly similar: readonly string[];
  }[];
  /** What guards would hold changes for. */
  readonly held: readonly string[];
  /** Groups that the mapping reads and the last complete run did not: nothing is supposed of who is in them. */
  readonly unreadGroups: readonly string[];
  /** The first hundred that would come. */
  readonly changes: readonly ForeseenChange[];
};

export type NetworkInput = {
  readonly baseUrl?: (string | null);
  readonly ca?: (string | null);
  readonly proxy?: (string | null);
  readonly share?: number;
};

export type NewDestinationInput = ({
  readonly type: "email";
  readonly to: readonly string[];
  /** null: the install's mail server. */
  readonly server?: (MailServerInput | null);
} | {
  readonly type: "slack";
  /** Of the incoming webhook. Whoever has it can post there: written and never shown. */
  readonly url: string;
  /** PEM certificates to trust besides the system's. */
  readonly ca?: (string | null);
} | {
  readonly type: "teams";
  /** Of the incoming webhook. Whoever has it can post there: written and never shown. */
  readonly url: string;
  /** PEM certificates to trust besides the system's. */
  readonly ca?: (string | null);
});

export type Notification = {
  /** A mail has it in its Message-ID, a webhook in the header Idempotency-Key. */
  readonly id: string;
  readonly tenant: string;
  readonly channel: string;
  readonly channelName: string;
  readonly message: {
    readonly title: string;
    readonly lines: readonly {
      readonly kind: "pending-approvals" | "held-changes" | "overdue-approvals" | "quarantine" | "failed-apply" | "expiring-credential";
      readonly text: string;
      /** Path and query of the API that list what it tells of. */
      readonly path: string;
      /** The command that shows the same. */
      readonly command: string;
      /** false: it was told before, and still stood. */
      readonly isNew: boolean;
    }[];
    /** Lines that there was no room for. */
    readonly more: number;
  };
  /** failed: given up. */
  readonly state: "waiting" | "sent" | "failed";
  readonly attempts: number;
  /** Of one that waits: when it is tried next. */
  readonly dueAt: string;
  /** Why the last attempt failed. */
  readonly problem: string | null;
  readonly createdAt: string;
  readonly sentAt: (string | null);
};

export type NotificationChannel = {
  readonly id: string;
  /** It hears of this tenant and of all below it. */
  readonly tenant: string;
  readonly name: string;
  readonly destination: Destination;
  /** Told within about a minute. */
  readonly immediately: readonly ("pending-approvals" | "held-changes" | "overdue-approvals" | "quarantine" | "failed-apply" | "expiring-credential")[];
  /** Told in the next digest. */
  readonly inDigest: readonly ("pending-approvals" | "held-changes" | "overdue-approvals" | "quarantine" | "failed-apply" | "expiring-credential")[];
  /** When digests are sent; null: there are none. */
  readonly schedule: string | null;
  readonly timeZone: string;
  /** A few of the people whom changes concern are named. */
  readonly namesPeople: boolean;
  /** When the next digest is due, if it has news then. */
  readonly digestAt: (string | null);
  /** How the last message to it fared; null: there was none in the last thirty days. */
  readonly last: ({
    readonly state: "waiting" | "sent" | "failed";
    readonly at: string;
    readonly problem: string | null;
  } | null);
  readonly createdAt: string;
};

export type Pair = {
  readonly id: string;
  readonly tenant: string;
  readonly connection: string;
  readonly kind: "rename" | "re-hire" | "match";
  readonly state: "open" | "same" | "different" | "superseded";
  /** What speaks for it. */
  readonly shares: readonly ("address" | "employee-number" | "user-name" | "name-and-manager" | "expression")[];
  readonly joiner: {
    readonly externalId: string;
    readonly name: string;
    /** The change that waits for them. */
    readonly change: (string | null);
  };
  readonly authUser: {
    readonly id: string;
    readonly name: string;
    readonly state: string;
    /** The id that the directory has, or had, for them. */
    readonly formerExternalId: string | null;
    /** The change by which they would leave. */
    readonly change: (string | null);
  };
  /** What a verdict is bound to; send it with the verdict. null: there is nothing to choose. */
  readonly fingerprint: string | null;
  /** Of the change set when the two were found. */
  readonly revision: number;
  readonly by: string | null;
  readonly reason: string | null;
  readonly decidedAt: (string | null);
  readonly createdAt: string;
};

export type PlanOfTenant = {
  /** null: no plan limits the tenant. */
  readonly plan: (ProductPlan | null);
  /** The tenant that the plan is set at; null where there is none, and where it is none of yours. */
  readonly at: (string | null);
  /** Seats taken by all who share them; null where `at` is. */
  readonly used: number | null;
};

export type Policy = {
  readonly guards: {
    readonly deletedPercent: number;
    readonly deletedAtLeast: number;
    readonly deletedInWindowPercent: number;
    readonly windowHours: number;
    readonly lostRolesPercent: number;
    readonly lostRolesAtLeast: number;
    readonly movedPercent: number;
    readonly movedAtLeast: number;
    readonly shrunkenPercent: number;
    readonly partPercent: number;
    readonly partAtLeast: number;
    readonly changedPercent: number;
    readonly changedAtLeast: number;
    readonly blankedPercent: number;
    readonly blankedAtLeast: number;
  };
  readonly protected: {
    readonly users: readonly string[];
    readonly roles: readonly string[];
  };
  readonly keepOneOf: readonly string[];
  /** How directory users without a link find the auth user that they are; by default by an address in a verified domain alone. */
  readonly matching: readonly (({
    readonly by: "email" | "employeeId" | "userName";
    /** certain: may be linked where it names one auth user alone; likely: a person has to say so. */
    readonly confidence: "certain" | "likely";
  } | {
    readonly by: "expression";
    readonly expression: string;
    /** certain: may be linked where it names one auth user alone; likely: a person has to say so. */
    readonly confidence: "certain" | "likely";
  }))[];
  readonly rules: readonly {
    readonly name: string;
    readonly when: string;
    readonly decide: ("approve" | {
      readonly require?: {
        readonly approvals: number;
        readonly from: "reviewer" | "tenant-administrator" | "system";
        readonly configurators?: "allowed" | "refused";
        readonly deadlineHours?: number;
        readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
        readonly validHours?: number;
      };
      readonly hold?: {
        readonly reason: string;
      };
      readonly reject?: {
        readonly reason: string;
      };
      readonly ignore?: {
        readonly reason: string;
        readonly days: number;
      };
    });
  }[];
  readonly apply: {
    readonly start: "by-hand" | "automatic";
    readonly delayMinutes: number;
    readonly windows: readonly {
      readonly cron: string;
      readonly minutes: number;
      readonly timeZone: string;
    }[];
    readonly progressive: ({
      readonly first: ({
        readonly changes: number;
      } | {
        readonly percent: number;
      });
      readonly pauseMinutes: number;
      readonly troublePercent: number;
    } | null);
  };
  readonly leavers: {
    readonly graceDays: number;
    readonly purgeAfterDays: (number | null);
  };
  readonly samePerson: "hold" | "show";
  readonly usualHours: ({
    readonly days: readonly ("monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday")[];
    readonly from: number;
    readonly to: number;
  } | null);
};

export type PolicyInput = {
  readonly guards?: {
    readonly deletedPercent?: number;
    readonly deletedAtLeast?: number;
    readonly deletedInWindowPercent?: number;
    readonly windowHours?: number;
    readonly lostRolesPercent?: number;
    readonly lostRolesAtLeast?: number;
    readonly movedPercent?: number;
    readonly movedAtLeast?: number;
    readonly shrunkenPercent?: number;
    readonly partPercent?: number;
    readonly partAtLeast?: number;
    readonly changedPercent?: number;
    readonly changedAtLeast?: number;
    readonly blankedPercent?: number;
    readonly blankedAtLeast?: number;
  };
  readonly protected?: {
    readonly users?: readonly string[];
    readonly roles?: readonly string[];
  };
  readonly keepOneOf?: readonly string[];
  /** How directory users without a link find the auth user that they are; by default by an address in a verified domain alone. */
  readonly matching?: readonly (({
    readonly by: "email" | "employeeId" | "userName";
    /** certain: may be linked where it names one auth user alone; likely: a person has to say so. */
    readonly confidence: "certain" | "likely";
  } | {
    readonly by: "expression";
    readonly expression: string;
    /** certain: may be linked where it names one auth user alone; likely: a person has to say so. */
    readonly confidence: "certain" | "likely";
  }))[];
  readonly rules?: readonly {
    readonly name: string;
    readonly when: string;
    readonly decide: ("approve" | {
      readonly require?: {
        readonly approvals?: number;
        readonly from?: "reviewer" | "tenant-administrator" | "system";
        readonly configurators?: "allowed" | "refused";
        readonly deadlineHours?: number;
        readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
        readonly validHours?: number;
      };
      readonly hold?: {
        readonly reason: string;
      };
      readonly reject?: {
        readonly reason: string;
      };
      readonly ignore?: {
        readonly reason: string;
        readonly days: number;
      };
    });
  }[];
  readonly apply?: {
    readonly start?: "by-hand" | "automatic";
    readonly delayMinutes?: number;
    readonly windows?: readonly {
      readonly cron: string;
      readonly minutes: number;
      readonly timeZone?: string;
    }[];
    readonly progressive?: ({
      readonly first?: ({
        readonly changes: number;
      } | {
        readonly percent: number;
      });
      readonly pauseMinutes?: number;
      readonly troublePercent?: number;
    } | null);
  };
  readonly leavers?: {
    readonly graceDays?: number;
    readonly purgeAfterDays?: (number | null);
  };
  readonly samePerson?: "hold" | "show";
  readonly usualHours?: ({
    readonly days?: readonly ("monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday")[];
    readonly from?: number;
    readonly to?: number;
  } | null);
};

export type PolicyReplay = {
  readonly since: string;
  /** That were looked at. */
  readonly changes: number;
  /** Of these, those of which the draft says the same. */
  readonly same: number;
  /** The most frequent first. */
  readonly differences: readonly {
    readonly from: string;
    readonly to: string;
    readonly changes: number;
    /** The first three. */
    readonly examples: readonly ReplayedChange[];
  }[];
  /** Of the draft: for how many changes each is the one that decides. */
  readonly rules: readonly {
    readonly rule: string;
    readonly changes: number;
  }[];
};

export type PolicyTest = {
  readonly passed: number;
  readonly failed: number;
  readonly cases: readonly {
    readonly name: string;
    readonly passed: boolean;
    /** null: no rule speaks of it, and one approval is enough. */
    readonly verdict: (PolicyVerdict | null);
    readonly explanation: string;
    /** What is otherwise than expected. */
    readonly differences: readonly string[];
  }[];
  /** Tenants above that you do not see have rules as well; those were not looked at. */
  readonly hasHidden: boolean;
};

export type PolicyVerdict = {
  readonly verdict: "approve" | "require" | "hold" | "ignore" | "reject";
  /** Its name; of the strictest, where several levels have a say. */
  readonly rule: string;
  /** The tenant whose rule it is; null: the connection’s own. */
  readonly level: (string | null);
  readonly approvals: number;
  /** Or somebody who may do more. */
  readonly from: "reviewer" | "tenant-administrator" | "system";
  /** Whoever has changed the connection’s configuration since the last apply before the change. */
  readonly configurators: "allowed" | "refused";
  readonly deadlineHours: number | null;
  readonly escalateTo: ("reviewer" | "tenant-administrator" | "system" | null);
  readonly validHours: number | null;
  readonly reason: string | null;
  /** How long it is ignored. */
  readonly days: number | null;
};

export type Principal = {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly role: "system" | "tenant-administrator" | "reviewer" | "auditor" | "support" | "application";
  readonly createdAt: string;
  /** null: its keys open what they should, and it may sign in. */
  readonly disabledAt: (string | null);
};

export type Problem = {
  /** Stable for each code: `/docs#errors/<code>`; `about:blank` where the status says all. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What is wrong, in one sentence. */
  readonly detail?: string;
  /** What programs should look at. /docs#errors lists all codes. */
  readonly code?: string;
  /** What to do about it. */
  readonly remedy?: string;
  /** Which fields of the request are wrong, and how. */
  readonly fields?: readonly {
    readonly path: string;
    readonly message: string;
  }[];
  /** Of /readyz: what answers and what does not. */
  readonly parts?: { readonly [name: string]: "up" | "down" };
  /** `urn:uuid:` and the request id, under which the server logged this request. */
  readonly instance: string;
};

export type ProductPlan = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Of active users in a tenant that has the plan and those below it without one of their own; null: no limit. */
  readonly seats: number | null;
  /** Names of the roles that count in its tenants. */
  readonly roles: readonly string[];
  readonly version: number;
  readonly createdAt: string;
};

export type ProposedUndo = {
  readonly connection: string;
  /** Of the change set that has them; send it with a decision about all of them. */
  readonly revision: number;
  /** Changes that take something back. Each has `undoes`. */
  readonly proposed: number;
  readonly kinds: { readonly [name: string]: number };
  /** Of those proposed: by guards. */
  readonly held: number;
  /** Up to 500 of those that are proposed, or would be. */
  readonly takenBack: readonly {
    /** Of the apply. */
    readonly change: string;
    readonly authUser: (string | null);
    readonly externalId: string;
    /** What to call the person. */
    readonly name: string;
    /** Of the change that takes it back. */
    readonly kind: "create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict";
  }[];
  /** What was left alone, be it in part. */
  readonly left: number;
  /** Up to 500 of what was left alone. */
  readonly items: readonly {
    /** Of the apply. */
    readonly change: string;
    readonly authUser: (string | null);
    readonly externalId: string | null;
    /** What to call the person. */
    readonly name: string | null;
    readonly because: "not-found" | "not-applied" | "waits-already" | "undone" | "other-waits" | "moved" | "linked-otherwise" | "address-taken" | "tenant-missing" | "purged" | "gone";
    /** What has moved: names of fields, `state`, `tenant`, `role: <name>`; empty: the change as a whole. */
    readonly what: readonly string[];
    /** What takes the rest back, or waits to do so; null: nothing of it is taken back. */
    readonly proposed: (string | null);
  }[];
};

export type Provider = {
  readonly provider: "entra" | "okta" | "google" | "ldap" | "scim" | "file";
  /** What people call it. */
  readonly title: string;
  readonly abilities: {
    readonly groups: boolean;
    readonly nestedGroups: boolean;
    readonly orgUnits: boolean;
    readonly deletedUsers: boolean;
    readonly lookUp: boolean;
    readonly delta: boolean;
    readonly notifications: boolean;
  };
  /** JSON Schema of a connection’s `settings`. */
  readonly settings: { readonly [name: string]: unknown };
  /** JSON Schema of a connection’s `credentials`. */
  readonly credentials: { readonly [name: string]: unknown };
};

export type Replanned = {
  readonly run: string;
  readonly connection: string;
  readonly snapshot: "complete" | "partial" | "named";
  /** Nothing follows otherwise than it is recorded, as far as it can be said. */
  readonly ok: boolean;
  /** Everybody whom the run spoke of. */
  readonly people: number;
  /** Of these, those of whom nothing follows and nothing was proposed. */
  readonly nothing: number;
  /** Those of whom the same change follows. now: upon the auth user as it is. record: upon the auth user as the change says that it was, which an apply or a person has changed since. */
  readonly same: {
    readonly now: number;
    readonly record: number;
  };
  /** Those of whom it cannot be said, by why. */
  readonly unknown: { readonly [name: string]: number };
  readonly different: number;
  /** The first hundred. */
  readonly differences: readonly {
    readonly externalId: string;
    readonly change: (string | null);
    readonly because: "change-altered" | "content-altered" | "content-missing" | "nothing-follows" | "not-recorded" | "another-change";
    readonly says: string;
  }[];
  /** SHA-256, hexadecimal, over `EXTERNAL-ID FINGERPRINT` and a line feed for each change that follows, in the order of the ids. */
  readonly digest: string;
};

export type ReplayedChange = {
  readonly change: string;
  readonly connection: string;
  readonly name: string;
  readonly kind: "create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict";
  readonly cause: string;
  /** What became of it. */
  readonly state: "open" | "approved" | "rejected" | "held" | "moved" | "applied" | "failed" | "superseded";
  readonly createdAt: string;
  /** By the rules that are there. */
  readonly from: string;
  /** By the draft. */
  readonly to: string;
  /** Of the draft; empty where no rule speaks of it. */
  readonly explanation: string;
};

export type Role = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** ordinary: by a mapping, or by hand from above all tenants. automatic: of every active user where the product plan has it. assignable: also by hand by a tenant’s administrators. hidden: seen and given from above all tenants only. */
  readonly type: "ordinary" | "automatic" | "assignable" | "hidden";
  /** What the application gives a meaning to. */
  readonly permissions: readonly string[];
  readonly version: number;
  readonly createdAt: string;
};

export type RoleReason = ({
  readonly from: "everyone";
} | {
  readonly from: "group";
  readonly group: string;
} | {
  readonly from: "rule";
  /** Its place among the rules, from 1 on. */
  readonly rule: number;
  /** The group that the rule is about. */
  readonly group: string | null;
} | {
  readonly from: "adjustment";
  readonly by: string;
  readonly reason: string;
});

export type Run = {
  readonly id: string;
  readonly connection: string;
  readonly tenant: string;
  readonly kind: "full" | "delta" | "targeted";
  readonly trigger: "schedule" | "demand";
  readonly state: "queued" | "pulling" | "planning" | "finished" | "failed";
  /** What is being pulled, or was pulled last. */
  readonly phase: "groups" | "members" | "users" | "changes" | "look-up";
  /** A partial one proposes no deletion. `named`: only users whom the provider named as changed were read, one by one. */
  readonly snapshot: ("complete" | "partial" | "named" | null);
  readonly partialReason: string | null;
  readonly failure: ({
    readonly kind: string;
    readonly message: string;
    readonly remedy: string;
    /** The provider’s id of the request: what its support asks for. */
    readonly requestId?: string;
  } | null);
  /** What the provider said of itself before a full run; null: it was not asked, or could not be. */
  readonly evidence: ({
    /** How many users the provider counts; null: it does not say. */
    readonly users: number | null;
    /** Of the credential, in the provider’s words. */
    readonly permissions: (readonly string[] | null);
  } | null);
  /** Users whom a full run listed, by the domain of their address, beside those of the last complete run before it. */
  readonly domains: readonly {
    readonly domain: string;
    readonly users: number;
    readonly before: number | null;
  }[];
  /** What was asked of the provider, by the process that ended the reading. */
  readonly usage: ({
    readonly requests: number;
    readonly retries: number;
    readonly throttled: number;
    readonly waitedMs: number;
    readonly bytes: number;
  } | null);
  readonly pages: number;
  readonly groups: number;
  readonly members: number;
  readonly users: number;
  /** Records that were not understood: those users stay as they are. */
  readonly unreadable: number;
  /** Why users were unreadable; null before the plan is stored. */
  readonly problems: (readonly UnreadableUsers[] | null);
  /** Changes that the run left pending; `held` are among the others. */
  readonly counts: (RunCounts | null);
  /** What the guards found when the plan was stored; null before. */
  readonly findings: (readonly GuardFinding[] | null);
  /** Of a full run: new changes that the deltas before it should have found. null: there was nothing to compare with. */
  readonly missedByDeltas: number | null;
  readonly requestedBy: string;
  readonly createdAt: string;
  readonly startedAt: (string | null);
  readonly finishedAt: (string | null);
};

export type RunCounts = {
  readonly new: number;
  readonly changed: number;
  readonly deleted: number;
  readonly conflicts: number;
  readonly held: number;
};

export type SavedConnection = {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly provider: "entra" | "okta" | "google" | "ldap" | "scim" | "file";
  /** In the provider’s words. */
  readonly settings: unknown;
  /** The proxy without user and password. */
  readonly network: {
    readonly baseUrl: string | null;
    readonly ca: string | null;
    readonly proxy: string | null;
    /** Of the provider’s rate limits, what this connection may use; a half where it is missing. */
    readonly share?: number;
  };
  readonly mapping: Mapping;
  readonly policy: Policy;
  /** Cron expression in `timeZone`; null: only on demand. */
  readonly schedule: string | null;
  readonly timeZone: string;
  readonly state: "active" | "paused";
  /** `iss` of the tokens that the directory’s users sign in with; null: not known. */
  readonly issuer: string | null;
  /** Of the change set: grows with every plan that alters it. */
  readonly changeRevision: number;
  /** Grows when settings, credentials or network change (but for the share): another part of the directory may then be visible. */
  readonly accessVersion: number;
  readonly version: number;
  /** From the runs that are recorded. */
  readonly health: ConnectionHealth;
  /** When the credential ends, of which people are told a month before; null: it does not say, as secrets and tokens do not. */
  readonly credentialExpiresAt: (string | null);
  /** Of guards that let more through for a time. */
  readonly overrides: readonly GuardOverride[];
  readonly createdAt: string;
  /** Roles that the mapping names and that were not there: they were made now. */
  readonly newRoles: readonly {
    readonly role: string;
    /** Roles that there are of nearly this name, the nearest first: one of them may be meant. */
    readonly similar: readonly string[];
  }[];
};

export type Session = {
  readonly id: string;
  readonly principal: string;
  readonly method: "set-up" | "recovery" | "openid-connect";
  /** What the browser said it is. */
  readonly userAgent: string | null;
  readonly createdAt: string;
  /** To the minute. */
  readonly lastUsedAt: string;
  /** At the latest; left unused it ends earlier. */
  readonly expiresAt: string;
};

export type SignInProvider = {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /** false: a public client. */
  readonly hasSecret: boolean;
  readonly ca: string | null;
  /** To be registered at the provider, exactly so. null: the server has no public URL. */
  readonly redirectUri: string | null;
  readonly createdAt: string;
};

export type Subscription = {
  /** Of the tenant. */
  readonly id: string;
  readonly name: string;
  /** Seats that are taken. */
  readonly used: number;
};

export type Summary = {
  readonly connection: string;
  readonly tenant: string;
  readonly connectionName: string;
  readonly tenantName: string;
  readonly provider: string;
  /** Send it with a decision about everything that was seen. */
  readonly revision: number;
  readonly new: number;
  readonly changed: number;
  readonly deleted: number;
  readonly conflicts: number;
  readonly held: number;
  readonly approved: number;
  /** Remembered refusals; not among those before. */
  readonly rejected: number;
  readonly heldBecause: readonly string[];
  /** The freeze period that holds now: nothing is applied. */
  readonly freeze: ({
    /** null: of a tenant above, which you do not see. */
    readonly name: string | null;
    readonly until: string;
  } | null);
};

export type SupportAccess = {
  /** What a request names in the header `rollcall-support-access`. */
  readonly id: string;
  /** With all tenants below it. */
  readonly tenant: string;
  /** Whose access it is. */
  readonly principal: string;
  /** What that principal is called. */
  readonly name: string;
  readonly state: "requested" | "granted" | "refused" | "ended";
  /** false: to look only. */
  readonly mayWrite: boolean;
  readonly reason: string;
  readonly minutes: number;
  readonly requestedAt: string;
  /** Who granted or refused it; null: nobody yet. */
  readonly decidedBy: ({
    readonly kind: "person" | "operator" | "support" | "system";
    readonly id: string | null;
    readonly name: string;
  } | null);
  readonly decidedAt: (string | null);
  /** When it ends by itself; null: it was never granted. */
  readonly expiresAt: (string | null);
  /** null where it has ended: its time was up. */
  readonly endedBy: ({
    readonly kind: "person" | "operator" | "support" | "system";
    readonly id: string | null;
    readonly name: string;
  } | null);
  readonly endedAt: (string | null);
  /** What the caller may do with it now. */
  readonly actions: readonly ("grant" | "refuse" | "end" | "use")[];
  /** Where everything that was done during it is listed. */
  readonly audit: string;
};

export type Tenant = {
  readonly id: string;
  /** null for the caller’s own tenant. */
  readonly parent: (string | null);
  readonly name: string;
  /** From the caller’s own tenant down to this one, both included. */
  readonly path: readonly string[];
  /** The keys of all tenants below begin with it: filter rows that carry the key of theirs by it. */
  readonly dataKey: string;
  /** Its own; one above may be suspended all the same. */
  readonly state: "active" | "suspended" | "deleted";
  /** individual: 0 or 1 user. organisation: 2 or more. enterprise: a connection of its own. */
  readonly kind: "individual" | "organisation" | "enterprise";
  /** Whether roles that are held in tenants above hold here and below. */
  readonly inheritsRoles: boolean;
  /** The product plan that is set here. */
  readonly plan: (string | null);
  /** Its own, or that of the nearest tenant above; null: nothing is limited. */
  readonly effectivePlan: (string | null);
  /** When its scheduled deletion is due, or when it was deleted. */
  readonly deleteAt: (string | null);
  readonly version: number;
  readonly createdAt: string;
};

export type TenantDetails = {
  readonly id: string;
  /** null for the caller’s own tenant. */
  readonly parent: (string | null);
  readonly name: string;
  /** From the caller’s own tenant down to this one, both included. */
  readonly path: readonly string[];
  /** The keys of all tenants below begin with it: filter rows that carry the key of theirs by it. */
  readonly dataKey: string;
  /** Its own; one above may be suspended all the same. */
  readonly state: "active" | "suspended" | "deleted";
  /** individual: 0 or 1 user. organisation: 2 or more. enterprise: a connection of its own. */
  readonly kind: "individual" | "organisation" | "enterprise";
  /** Whether roles that are held in tenants above hold here and below. */
  readonly inheritsRoles: boolean;
  /** The product plan that is set here. */
  readonly plan: (string | null);
  /** Its own, or that of the nearest tenant above; null: nothing is limited. */
  readonly effectivePlan: (string | null);
  /** When its scheduled deletion is due, or when it was deleted. */
  readonly deleteAt: (string | null);
  readonly version: number;
  readonly createdAt: string;
  /** The first page of `GET /v1/tenants?parent=…`. */
  readonly children: {
    readonly items: readonly Tenant[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  };
  /** All tenants below, at any depth, by kind. */
  readonly descendants: {
    readonly individual: number;
    readonly organisation: number;
    readonly enterprise: number;
  };
};

export type TenantDomain = {
  readonly tenant: string;
  readonly domain: string;
  readonly verifiedAt: string;
  readonly verifiedBy: string;
};

export type TenantPolicyView = {
  readonly timeZone: string;
  readonly rules: readonly {
    readonly name: string;
    readonly when: string;
    readonly decide: ("approve" | {
      readonly require?: {
        readonly approvals: number;
        readonly from: "reviewer" | "tenant-administrator" | "system";
        readonly configurators?: "allowed" | "refused";
        readonly deadlineHours?: number;
        readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
        readonly validHours?: number;
      };
      readonly hold?: {
        readonly reason: string;
      };
      readonly reject?: {
        readonly reason: string;
      };
      readonly ignore?: {
        readonly reason: string;
        readonly days: number;
      };
    });
  }[];
  readonly freezes: readonly {
    readonly name: string;
    readonly from: string;
    readonly until: string;
  }[];
  readonly tenant: string;
  readonly tenantName: string;
  /** 0: nothing was ever said. */
  readonly version: number;
  readonly changedAt: (string | null);
  readonly changedBy: string | null;
  /** Of the tenants above that you see, from the top down. What is stricter counts. */
  readonly inherited: readonly {
    readonly timeZone: string;
    readonly rules: readonly {
      readonly name: string;
      readonly when: string;
      readonly decide: ("approve" | {
        readonly require?: {
          readonly approvals: number;
          readonly from: "reviewer" | "tenant-administrator" | "system";
          readonly configurators?: "allowed" | "refused";
          readonly deadlineHours?: number;
          readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
          readonly validHours?: number;
        };
        readonly hold?: {
          readonly reason: string;
        };
        readonly reject?: {
          readonly reason: string;
        };
        readonly ignore?: {
          readonly reason: string;
          readonly days: number;
        };
      });
    }[];
    readonly freezes: readonly {
      readonly name: string;
      readonly from: string;
      readonly until: string;
    }[];
    readonly tenant: string;
    readonly tenantName: string;
  }[];
  /** Tenants above that you do not see have rules as well. */
  readonly hasHidden: boolean;
  /** Own rules that can be seen to decide nothing, because a tenant above is at least as strict. */
  readonly idle: readonly {
    readonly rule: string;
    readonly because: string;
  }[];
};

export type TimelineEntry = ({
  readonly what: "proposed";
  readonly at: string;
  readonly change: string;
  readonly connection: string;
  readonly externalId: string;
  readonly run: string;
  readonly kind: "create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict";
  readonly cause: string;
  readonly fields: readonly {
    readonly field: string;
    readonly before: (string | number | boolean | readonly string[] | null);
    readonly after: (string | number | boolean | readonly string[] | null);
    /** first: the value is given once, and the directory never changes it. Missing: the directory owns the field. */
    readonly owner?: "first";
  }[];
  readonly rolesGained: readonly {
    readonly role: string;
    /** Parts of the mapping of that run that give the role. */
    readonly because: readonly RoleReason[];
    /** Whether they are known to hold: the person is still as they were read then. false: these may give it. */
    readonly certain: boolean;
  }[];
  readonly rolesLost: readonly string[];
  /** The change that it takes back. */
  readonly undoes: (string | null);
  /** Why somebody wanted that. */
  readonly undoReason: string | null;
} | {
  readonly what: "decided";
  readonly at: string;
  readonly change: string;
  readonly decision: string;
  readonly verdict: "approve" | "reject" | "hold";
  readonly madeBy: "person" | "policy" | "guard";
  readonly by: string | null;
  /** Of the policy. */
  readonly rule: string | null;
  readonly reason: string;
  /** Of the guard. */
  readonly finding: unknown;
  readonly until: (string | null);
  /** One of several that the policy asks for; null: it decided by itself. */
  readonly approval: ({
    readonly number: number;
    readonly of: number;
    /** With it, it was approved. */
    readonly last: boolean;
  } | null);
} | {
  readonly what: "carried-out";
  readonly at: string;
  readonly change: string;
  readonly apply: string;
  readonly by: string | null;
  readonly outcome: string;
  readonly reason: string | null;
  /** Of the auth user from then on. */
  readonly version: number | null;
  /** What applications were told. */
  readonly event: (string | null);
} | {
  readonly what: "withdrawn";
  readonly at: string;
  readonly change: string;
  readonly note: (ChangeNote | null);
} | {
  /** Whether the directory user and an auth user are one. */
  readonly what: "told-apart" | "told-same";
  readonly at: string;
  readonly pair: string;
  readonly by: string;
  readonly reason: string;
} | {
  readonly what: "commented";
  readonly at: string;
  readonly change: string;
  readonly comment: string;
  readonly by: string;
  readonly text: string;
} | {
  /** A person has said in what somebody new differs from what the mapping makes of them. */
  readonly what: "adjusted";
  readonly at: string;
  readonly connection: string;
  readonly rolesAdded: readonly string[];
  readonly rolesRemoved: readonly string[];
  /** The tenant that they belong in; null: where the mapping puts them. */
  readonly place: (string | null);
  readonly by: string;
  readonly reason: string;
} | {
  /** Whatever else the audit log has of the auth user: done by hand, or by Rollcall itself in time. */
  readonly what: "recorded";
  readonly at: string;
  /** Number of the entry in the log of the auth user’s tenant. */
  readonly audit: number;
  readonly action: string;
  readonly by: {
    readonly kind: "person" | "operator" | "support" | "system";
    readonly id: string | null;
    readonly name: string;
  };
  readonly details: { readonly [name: string]: unknown };
});

export type UnreadableConnection = {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly provider: string;
  readonly state: "unreadable";
  /** Which parts of the stored configuration are not what they should be. */
  readonly problem: string;
  readonly health: null;
  readonly createdAt: string;
};

export type UnreadableUsers = {
  readonly problem: string;
  readonly users: number;
  /** External id of one of them. */
  readonly example: string;
};

export type User = {
  readonly id: string;
  readonly tenant: string;
  readonly state: "active" | "suspended" | "deleted";
  readonly userName: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  /** All other fields, by name. */
  readonly attributes: { readonly [name: string]: (string | number | boolean | readonly string[] | null) };
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** When all that was personal was removed for good: id, tenant and dates are left; null: it was not. */
  readonly purgedAt: (string | null);
};

export type UserDetails = {
  readonly id: string;
  readonly tenant: string;
  readonly state: "active" | "suspended" | "deleted";
  readonly userName: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  /** All other fields, by name. */
  readonly attributes: { readonly [name: string]: (string | number | boolean | readonly string[] | null) };
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** When all that was personal was removed for good: id, tenant and dates are left; null: it was not. */
  readonly purgedAt: (string | null);
  /** Without those of connections of a tenant above the caller’s. */
  readonly identities: readonly {
    readonly connection: string;
    readonly externalId: string;
    readonly linkedAt: string;
  }[];
  /** The same role may be there from several directories and by hand. */
  readonly roles: readonly {
    readonly name: string;
    readonly type: "ordinary" | "automatic" | "assignable" | "hidden";
    readonly origin: "directory" | "manual";
    /** null: given by hand, or by a connection of a tenant above the caller’s. */
    readonly connection: (string | null);
    /** Where it is held; it holds below too. */
    readonly tenant: string;
    readonly grantedAt: string;
  }[];
};

/** By operation: what it takes, members of path, query and body as one, and what it answers. */
export type Operations = {
  /** Add a notification channel */
  addNotificationChannel: { input: {
    /** It hears of this tenant and of all below it. null: your own. */
    readonly tenant?: (string | null);
    readonly name: string;
    readonly destination: NewDestinationInput;
    /** Told within about a minute. Without both lists: all kinds, in the digest where there is a schedule. */
    readonly immediately?: readonly ("pending-approvals" | "held-changes" | "overdue-approvals" | "quarantine" | "failed-apply" | "expiring-credential")[];
    /** Told in the next digest. */
    readonly inDigest?: readonly ("pending-approvals" | "held-changes" | "overdue-approvals" | "quarantine" | "failed-apply" | "expiring-credential")[];
    /** When digests are sent: cron expression of five fields. One without news is not sent. */
    readonly schedule?: string | null;
    readonly timeZone?: string;
    /** Name a few of the people whom changes concern. Otherwise there are counts and ids alone. */
    readonly namesPeople?: boolean;
  }; answer: NotificationChannel };
  /** Add a sign-in provider */
  addSignInProvider: { input: {
    readonly tenant?: (string | null);
    readonly name: string;
    readonly issuer: string;
    readonly clientId: string;
    readonly clientSecret?: (string | null);
    readonly ca?: (string | null);
  }; answer: SignInProvider };
  /** Edit the roles and the tenant of somebody new */
  adjustNewcomer: { input: { change: string } & {
    /** As it was shown. */
    readonly fingerprint: string;
    /** All that the directory is to give them. In what these differ from those that the mapping gives is kept; what the directory changes later still comes through. */
    readonly roles?: readonly string[];
    /** Where they belong: the connection's tenant, or one below it. */
    readonly tenant?: string;
    /** For whoever asks later. */
    readonly reason: string;
  }; answer: {
    /** The change that waits now. */
    readonly change: string;
    /** null: they are as the mapping makes them. */
    readonly adjustment: (string | null);
  } };
  /** Say who is to look at changes */
  assignChanges: { input: ({
    /** Who is to look at them, who has to be one that may decide; me: the caller; null: nobody any more. */
    readonly to: ((string | "me") | null);
    /** Changes one by one. */
    readonly changes: readonly string[];
  } | {
    /** Who is to look at them, who has to be one that may decide; me: the caller; null: nobody any more. */
    readonly to: ((string | "me") | null);
    /** Only of this tenant and those below it. */
    readonly tenant?: string;
    /** Only of this connection. */
    readonly connection?: string;
    /** Which of those that wait; empty: all. */
    readonly filter?: {
      /** Only those of this set. */
      readonly set?: "new" | "changed" | "deleted" | "conflict";
      /** Only those of these kinds. */
      readonly kind?: readonly ("create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict")[];
      /** Only those with this cause. */
      readonly cause?: "joined" | "matched-by-email" | "matched-by-rule" | "returned" | "edited" | "group-membership" | "mapping-changed" | "local-edit" | "suspended" | "deprovisioned" | "left" | "out-of-scope" | "scope-changed" | "address-taken" | "address-shared" | "address-unverified" | "placed" | "tenant-missing" | "tenant-unknown" | "match-unsure" | "several-candidates" | "grace-over" | "undo";
      /** Only those of these risks. */
      readonly risk?: readonly ("low" | "medium" | "high")[];
      /** Only those that change all of these fields; empty: those that change none. */
      readonly field?: readonly string[];
      /** Only of people in this department afterwards, or before they leave; empty: in none. */
      readonly department?: string;
      /** Only of people in this organisational unit; empty: in none. */
      readonly orgUnit?: string;
      /** Only those that give all of these roles; empty: those that give none. */
      readonly roleGained?: readonly string[];
      /** Only those that take all of these roles; empty: those that take none. */
      readonly roleLost?: readonly string[];
      /** Only those that do the same: the `difference` of one of them. */
      readonly difference?: string;
      /** Only those that this guard holds; empty: that none does. */
      readonly guard?: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person" | "";
      /** Only those that the policy rule of this name has the say on, whatever became of them; empty: no rule has. */
      readonly rule?: string;
      /** Only those that this principal is to look at; me: the caller; empty: nobody is. */
      readonly assignee?: (string | "me" | "");
      /** over: only those that were not decided within the deadline that a policy gives. */
      readonly deadline?: "over";
      /** Part of a name, address or external id, in any case. */
      readonly search?: string;
    };
  }); answer: {
    /** Those that were not assigned so before. */
    readonly assigned: number;
  } };
  /** Cancel an apply */
  cancelApply: { input: { apply: string } & {
    /** Why, for whoever asks later. */
    readonly reason?: (string | null);
  }; answer: Apply };
  /** Look whether the record of a claimed domain is there */
  checkDomainClaim: { input: { domainClaim: string }; answer: DomainClaim };
  /** Say of pairs whether the two are one person */
  choosePairs: { input: {
    /** same: whoever comes goes on with the auth user that is there, at once; different: both go their ways. */
    readonly verdict: "same" | "different";
    readonly reason: string;
    /** Id and fingerprint of each pair, as they were shown. */
    readonly pairs: readonly {
      readonly id: string;
      readonly fingerprint: string;
    }[];
  }; answer: {
    readonly decided: number;
    readonly refused: readonly {
      readonly id: string;
      readonly because: "not-found" | "changed-since-shown" | "not-allowed-now" | "same-address";
    }[];
  } };
  /** Claim a domain for a tenant */
  claimDomain: { input: { tenant: string } & {
    readonly domain: string;
  }; answer: DomainClaim };
  /** Say something about a change */
  commentOnChange: { input: { change: string } & {
    /** Plain text. It stays as it is. */
    readonly text: string;
  }; answer: Comment };
  /** Create a connection */
  createConnection: { input: {
    readonly tenant?: (string | null);
    readonly name: string;
    readonly provider: "entra" | "okta" | "google" | "ldap" | "scim" | "file";
    readonly settings: unknown;
    readonly credentials: unknown;
    readonly network?: NetworkInput;
    readonly mapping?: MappingInput;
    readonly policy?: PolicyInput;
    readonly schedule?: string | null;
    readonly timeZone?: string;
    readonly issuer?: (string | null);
    readonly state?: "active" | "paused";
  }; answer: SavedConnection };
  /** Make an API key for a principal */
  createKey: { input: { principal: string } & {
    readonly name?: string;
    readonly tenant?: (string | null);
    readonly permissions?: (readonly ("tenants.read" | "tenants.write" | "connections.read" | "connections.write" | "runs.read" | "runs.start" | "changes.read" | "changes.decide" | "changes.apply" | "guards.override" | "users.read" | "users.write" | "roles.read" | "roles.write" | "principals.read" | "principals.write" | "audit.read" | "events.read" | "authorization.read" | "tokens.create" | "sign-in.read" | "sign-in.write" | "notifications.read" | "notifications.write" | "support.read" | "support.request" | "support.decide" | "support.end")[] | null);
    readonly expiresAt?: (string | null);
  }; answer: {
    readonly id: string;
    /** Shown this once. */
    readonly key: string;
    /** null: it does not expire. */
    readonly expiresAt: (string | null);
  } };
  /** Create a principal */
  createPrincipal: { input: {
    readonly tenant?: (string | null);
    readonly name: string;
    readonly role: "system" | "tenant-administrator" | "reviewer" | "auditor" | "support" | "application";
  }; answer: Principal };
  /** Create a product plan */
  createProductPlan: { input: {
    readonly name: string;
    readonly description?: string;
    readonly seats?: (number | null);
    readonly roles?: readonly string[];
  }; answer: ProductPlan };
  /** Make new recovery codes */
  createRecoveryCodes: { input: { principal: string }; answer: {
    readonly principal: string;
    readonly codes: readonly string[];
  } };
  /** Create a role */
  createRole: { input: {
    readonly name: string;
    readonly description?: string;
    readonly type?: "ordinary" | "automatic" | "assignable" | "hidden";
    readonly permissions?: readonly string[];
  }; answer: Role };
  /** Create a tenant */
  createTenant: { input: {
    readonly name: string;
    readonly parent?: (string | null);
    /** Whether roles that are held in tenants above hold in this one and below. */
    readonly inheritsRoles?: boolean;
    /** A product plan of its own; null: that of the nearest tenant above. For the role system alone. */
    readonly plan?: (string | null);
  }; answer: Tenant };
  /** Sign what an auth user may do */
  createUserToken: { input: { user: string } & {
    /** What holds in this tenant alone; without it in the user’s own and all below it. */
    readonly tenant?: (string | null);
    readonly audience: string;
    readonly seconds?: number;
  }; answer: {
    readonly token: string;
    readonly expiresAt: string;
    /** As long as the authorization has it, a new token would say the same. */
    readonly version: string;
  } };
  /** Approve, reject or hold changes */
  decide: { input: ({
    readonly verdict: "approve" | "reject" | "hold";
    /** For whoever asks later. */
    readonly reason: string;
    /** How long a refusal or a holding back stands; then the change waits again. null: until its content changes. An approval has no end. */
    readonly until?: (string | null);
    /** Changes one by one, as they were shown. */
    readonly changes: readonly {
      readonly id: string;
      /** As it was shown. */
      readonly fingerprint: string;
      /** To approve what is held: the id of the decision that was shown to hold it. */
      readonly decision?: (string | null);
    }[];
  } | {
    readonly verdict: "approve" | "reject" | "hold";
    /** For whoever asks later. */
    readonly reason: string;
    /** How long a refusal or a holding back stands; then the change waits again. null: until its content changes. An approval has no end. */
    readonly until?: (string | null);
    readonly connection: string;
    /** Of the change set of the connection as it was shown: what arrived later is not included. */
    readonly revision: number;
    /** Which of them; empty: all. */
    readonly filter?: {
      /** Only those of this set. */
      readonly set?: "new" | "changed" | "deleted" | "conflict";
      /** Only those of these kinds. */
      readonly kind?: readonly ("create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict")[];
      /** Only those with this cause. */
      readonly cause?: "joined" | "matched-by-email" | "matched-by-rule" | "returned" | "edited" | "group-membership" | "mapping-changed" | "local-edit" | "suspended" | "deprovisioned" | "left" | "out-of-scope" | "scope-changed" | "address-taken" | "address-shared" | "address-unverified" | "placed" | "tenant-missing" | "tenant-unknown" | "match-unsure" | "several-candidates" | "grace-over" | "undo";
      /** Only those of these risks. */
      readonly risk?: readonly ("low" | "medium" | "high")[];
      /** Only those that change all of these fields; empty: those that change none. */
      readonly field?: readonly string[];
      /** Only of people in this department afterwards, or before they leave; empty: in none. */
      readonly department?: string;
      /** Only of people in this organisational unit; empty: in none. */
      readonly orgUnit?: string;
      /** Only those that give all of these roles; empty: those that give none. */
      readonly roleGained?: readonly string[];
      /** Only those that take all of these roles; empty: those that take none. */
      readonly roleLost?: readonly string[];
      /** Only those that do the same: the `difference` of one of them. */
      readonly difference?: string;
      /** Only those that this guard holds; empty: that none does. */
      readonly guard?: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person" | "";
      /** Only those that the policy rule of this name has the say on, whatever became of them; empty: no rule has. */
      readonly rule?: string;
      /** Only those that this principal is to look at; me: the caller; empty: nobody is. */
      readonly assignee?: (string | "me" | "");
      /** over: only those that were not decided within the deadline that a policy gives. */
      readonly deadline?: "over";
      /** Part of a name, address or external id, in any case. */
      readonly search?: string;
    };
    /** Approve held changes too: without it, what a guard, a policy or a person holds is left alone. */
    readonly includeHeld?: boolean;
  } | {
    readonly verdict: "approve" | "reject" | "hold";
    /** For whoever asks later. */
    readonly reason: string;
    /** How long a refusal or a holding back stands; then the change waits again. null: until its content changes. An approval has no end. */
    readonly until?: (string | null);
    /** Which of them; empty: all. */
    readonly filter?: {
      /** Only those of this set. */
      readonly set?: "new" | "changed" | "deleted" | "conflict";
      /** Only those of these kinds. */
      readonly kind?: readonly ("create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict")[];
      /** Only those with this cause. */
      readonly cause?: "joined" | "matched-by-email" | "matched-by-rule" | "returned" | "edited" | "group-membership" | "mapping-changed" | "local-edit" | "suspended" | "deprovisioned" | "left" | "out-of-scope" | "scope-changed" | "address-taken" | "address-shared" | "address-unverified" | "placed" | "tenant-missing" | "tenant-unknown" | "match-unsure" | "several-candidates" | "grace-over" | "undo";
      /** Only those of these risks. */
      readonly risk?: readonly ("low" | "medium" | "high")[];
      /** Only those that change all of these fields; empty: those that change none. */
      readonly field?: readonly string[];
      /** Only of people in this department afterwards, or before they leave; empty: in none. */
      readonly department?: string;
      /** Only of people in this organisational unit; empty: in none. */
      readonly orgUnit?: string;
      /** Only those that give all of these roles; empty: those that give none. */
      readonly roleGained?: readonly string[];
      /** Only those that take all of these roles; empty: those that take none. */
      readonly roleLost?: readonly string[];
      /** Only those that do the same: the `difference` of one of them. */
      readonly difference?: string;
      /** Only those that this guard holds; empty: that none does. */
      readonly guard?: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person" | "";
      /** Only those that the policy rule of this name has the say on, whatever became of them; empty: no rule has. */
      readonly rule?: string;
      /** Only those that this principal is to look at; me: the caller; empty: nobody is. */
      readonly assignee?: (string | "me" | "");
      /** over: only those that were not decided within the deadline that a policy gives. */
      readonly deadline?: "over";
      /** Part of a name, address or external id, in any case. */
      readonly search?: string;
    };
    /** Approve held changes too: without it, what a guard, a policy or a person holds is left alone. */
    readonly includeHeld?: boolean;
    /** The change sets of several connections, each at the revision that was shown. */
    readonly revisions: readonly {
      readonly connection: string;
      readonly revision: number;
    }[];
  }); answer: {
    readonly decided: number;
    /** Of a set whose held changes are meant too: those that stay held, because they are let go by name alone. */
    readonly byName?: number;
    /** Approved by one more now, and waiting for further approvals, as the policy of the connection asks. */
    readonly waiting: number;
    readonly refused: readonly {
      readonly id: string;
      readonly because: "not-found" | "changed-since-shown" | "not-allowed-now" | "needs-role" | "own-configuration" | "approved-already";
      /** One sentence, with what can be done about it. */
      readonly explanation: string;
    }[];
    /** Of a set: changes that you may not, or need not, approve. */
    readonly left?: readonly {
      readonly because: "needs-role" | "own-configuration" | "approved-already";
      readonly changes: number;
      readonly explanation: string;
    }[];
  } };
  /** Delete a product plan that no tenant has */
  deleteProductPlan: { input: { productPlan: string }; answer: null };
  /** Delete a role that nothing uses */
  deleteRole: { input: { role: string }; answer: null };
  /** Delete a tenant that nothing uses, or schedule its deletion */
  deleteTenant: { input: { tenant: string; at?: string }; answer: Tenant };
  /** Get a tenant, with its children and what is below it */
  describeTenant: { input: { tenant: string }; answer: TenantDetails };
  /** Show what loading a configuration file would change */
  diffConfiguration: { input: {
    /** The file, as YAML or JSON. */
    readonly configuration: string;
    /** What the references of credentials stand for, by `env:NAME` and `file:PATH`: the server looks none of them up. */
    readonly secrets?: { readonly [name: string]: string };
  }; answer: ConfigurationDifference };
  /** Disable a principal */
  disablePrincipal: { input: { principal: string }; answer: Principal };
  /** Edit an auth user by hand */
  editUser: { input: { user: string } & {
    readonly version?: number;
    readonly userName?: (string | null);
    readonly email?: (string | null);
    readonly displayName?: (string | null);
    readonly attributes?: { readonly [name: string]: ((string | null) | number | boolean | readonly string[]) };
  }; answer: UserDetails };
  /** Enable a principal again */
  enablePrincipal: { input: { principal: string }; answer: Principal };
  /** End an override of a guard before its time */
  endGuardOverride: { input: { guardOverride: string }; answer: null };
  /** End a session */
  endSession: { input: { session: string }; answer: null };
  /** Sign out everywhere */
  endSessionsOf: { input: { principal?: string }; answer: {
    readonly ended: number;
  } };
  /** End a support access at once */
  endSupportAccess: { input: { supportAccess: string }; answer: SupportAccess };
  /** Why somebody whom a directory has is, or is not, an auth user */
  explainPerson: { input: { connection: string; externalId?: string; address?: string }; answer: ExplainedPerson };
  /** Where the roles and fields of an auth user come from */
  explainUser: { input: { user: string }; answer: Explanation };
  /** Export your part of the install as a configuration file */
  exportConfiguration: { input: { tenant?: string }; answer: Configuration };
  /** Find the auth user whom a directory has under an id */
  findUserByIdentity: { input: { issuer?: string; subject?: string; provider?: "entra" | "okta" | "google" | "ldap" | "scim" | "file"; externalId?: string; connection?: string }; answer: UserDetails };
  /** Get an apply */
  getApply: { input: { apply: string }; answer: Apply };
  /** What an auth user may do, and where */
  getAuthorization: { input: { user: string; tenant?: string }; answer: Authorization };
  /** Get a change */
  getChange: { input: { change: string }; answer: Change };
  /** Get a connection */
  getConnection: { input: { connection: string }; answer: (Connection | UnreadableConnection) };
  /** Get the rules by which a connection’s changes are judged */
  getConnectionPolicy: { input: { connection: string }; answer: ConnectionPolicyView };
  /** Get the claim of a domain */
  getDomainClaim: { input: { domainClaim: string }; answer: DomainClaim };
  /** Get what the guards of a connection allow and found */
  getGuards: { input: { connection: string }; answer: {
    readonly limits: {
      readonly deletedPercent: number;
      readonly deletedAtLeast: number;
      readonly deletedInWindowPercent: number;
      readonly windowHours: number;
      readonly lostRolesPercent: number;
      readonly lostRolesAtLeast: number;
      readonly movedPercent: number;
      readonly movedAtLeast: number;
      readonly shrunkenPercent: number;
      readonly partPercent: number;
      readonly partAtLeast: number;
      readonly changedPercent: number;
      readonly changedAtLeast: number;
      readonly blankedPercent: number;
      readonly blankedAtLeast: number;
    };
    /** Those that hold now. */
    readonly overrides: readonly GuardOverride[];
    /** Of the last plan, what was let through all the same among them. */
    readonly findings: readonly {
      readonly guard: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person";
      readonly counted: number;
      /** What would have been let through. */
      readonly limit: number;
      readonly field?: string;
      readonly role?: string;
      /** The domain, organisational unit, or id of the group. */
      readonly part?: string;
      /** What people call it. */
      readonly name?: string;
      /** How many it had. */
      readonly before?: number;
      /** Roles that the policy names and that do not exist. */
      readonly unknown?: readonly string[];
      readonly hours?: number;
      /** Why nothing is held for it all the same. */
      readonly overridden?: {
        readonly allowed: number | null;
        readonly by: string;
        readonly reason: string;
        readonly until: string;
      };
      readonly explanation: string;
    }[];
    /** What the policy names and nothing is called. */
    readonly unknown: {
      /** Passed over. */
      readonly users: readonly string[];
      /** Whoever would lose something waits for a person until these are there. */
      readonly roles: readonly string[];
    };
  } };
  /** Get a notification channel */
  getNotificationChannel: { input: { notificationChannel: string }; answer: NotificationChannel };
  /** Get a pair */
  getPair: { input: { pair: string }; answer: Pair };
  /** Get a principal */
  getPrincipal: { input: { principal: string }; answer: Principal };
  /** Get a product plan */
  getProductPlan: { input: { productPlan: string }; answer: ProductPlan };
  /** Get the product plan that counts in a tenant */
  getProductPlanOf: { input: { tenant: string }; answer: PlanOfTenant };
  /** Get a role by its name */
  getRole: { input: { role: string }; answer: Role };
  /** Get a sync run */
  getRun: { input: { run: string }; answer: Run };
  /** Who is signed in */
  getSession: { input: Record<string, never>; answer: {
    readonly principal: string;
    readonly name: string;
    readonly tenant: string;
    readonly role: "system" | "tenant-administrator" | "reviewer" | "auditor" | "support" | "application";
    readonly session: (Session | null);
    readonly csrfToken: string | null;
  } };
  /** Get a support access */
  getSupportAccess: { input: { supportAccess: string }; answer: SupportAccess };
  /** Get what a tenant decides for its connections and those of all tenants below */
  getTenantPolicy: { input: { tenant: string }; answer: TenantPolicyView };
  /** What happened to an auth user, and who decided it */
  getTimeline: { input: { user: string; limit?: number }; answer: {
    readonly items: readonly TimelineEntry[];
  } };
  /** Get an auth user with identities and roles */
  getUser: { input: { user: string }; answer: UserDetails };
  /** Give an auth user a role by hand */
  grantRole: { input: { user: string; role: string; tenant?: string }; answer: UserDetails };
  /** Grant a support access that was asked for */
  grantSupportAccess: { input: { supportAccess: string } & {
    readonly minutes?: number;
    readonly mayWrite?: boolean;
  }; answer: SupportAccess };
  /** Group changes by what they have in common */
  groupChanges: { input: { set?: "new" | "changed" | "deleted" | "conflict"; kind?: readonly ("create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict")[]; cause?: "joined" | "matched-by-email" | "matched-by-rule" | "returned" | "edited" | "group-membership" | "mapping-changed" | "local-edit" | "suspended" | "deprovisioned" | "left" | "out-of-scope" | "scope-changed" | "address-taken" | "address-shared" | "address-unverified" | "placed" | "tenant-missing" | "tenant-unknown" | "match-unsure" | "several-candidates" | "grace-over" | "undo"; risk?: readonly ("low" | "medium" | "high")[]; field?: readonly string[]; department?: string; orgUnit?: string; roleGained?: readonly string[]; roleLost?: readonly string[]; difference?: string; guard?: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person" | ""; rule?: string; assignee?: (string | "me" | ""); deadline?: "over"; search?: string; limit?: number; after?: string; tenant?: string; connection?: string; by?: "difference" | "cause" | "kind" | "risk" | "department" | "org-unit" | "role-gained" | "role-lost" | "field" | "guard" | "connection"; state?: readonly ("open" | "approved" | "rejected" | "held" | "moved" | "failed")[] }; answer: ChangeGroups };
  /** Invite a principal to sign in */
  invitePrincipal: { input: { principal: string } & {
    readonly minutes?: number;
  }; answer: {
    readonly principal: string;
    readonly link: string;
    readonly expiresAt: string;
  } };
  /** Let somebody from support in who has not asked */
  inviteSupport: { input: {
    readonly tenant?: (string | null);
    readonly principal: string;
    readonly reason: string;
    readonly minutes?: number;
    readonly mayWrite?: boolean;
  }; answer: SupportAccess };
  /** The process lives */
  isAlive: { input: Record<string, never>; answer: {
    readonly status: "alive";
  } };
  /** Database and queue answer */
  isReady: { input: Record<string, never>; answer: {
    readonly status: "ready";
  } };
  /** Call the scheduled deletion of a tenant off */
  keepTenant: { input: { tenant: string }; answer: Tenant };
  /** List who was edited before they came in */
  listAdjustments: { input: { limit?: number; after?: string; tenant?: string; connection?: string }; answer: {
    readonly items: readonly Adjustment[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List what became of each change of an apply, oldest first */
  listAppliedChanges: { input: { apply: string; limit?: number; after?: string; outcome?: readonly ("applied" | "already-applied" | "moved" | "failed" | "held")[] }; answer: {
    readonly items: readonly Change[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List applies, newest first */
  listApplies: { input: { limit?: number; after?: string; connection?: string }; answer: {
    readonly items: readonly Apply[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List the audit log of a tenant */
  listAudit: { input: { tenant?: string; order?: "newest" | "oldest"; action?: string; actor?: string; from?: string; to?: string; supportAccess?: string; after?: number; limit?: number }; answer: {
    readonly items: readonly AuditEntry[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List changes */
  listChanges: { input: { set?: "new" | "changed" | "deleted" | "conflict"; kind?: readonly ("create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict")[]; cause?: "joined" | "matched-by-email" | "matched-by-rule" | "returned" | "edited" | "group-membership" | "mapping-changed" | "local-edit" | "suspended" | "deprovisioned" | "left" | "out-of-scope" | "scope-changed" | "address-taken" | "address-shared" | "address-unverified" | "placed" | "tenant-missing" | "tenant-unknown" | "match-unsure" | "several-candidates" | "grace-over" | "undo"; risk?: readonly ("low" | "medium" | "high")[]; field?: readonly string[]; department?: string; orgUnit?: string; roleGained?: readonly string[]; roleLost?: readonly string[]; difference?: string; guard?: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person" | ""; rule?: string; assignee?: (string | "me" | ""); deadline?: "over"; search?: string; limit?: number; after?: string; tenant?: string; connection?: string; apply?: string; state?: readonly ("open" | "approved" | "rejected" | "held" | "moved" | "applied" | "failed" | "superseded")[] }; answer: {
    readonly items: readonly Change[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List what was said about a change */
  listComments: { input: { change: string; limit?: number; after?: string }; answer: {
    readonly items: readonly Comment[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List connections */
  listConnections: { input: { limit?: number; after?: string; tenant?: string }; answer: {
    readonly items: readonly ((Connection | UnreadableConnection))[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List the domains that a tenant claims */
  listDomainClaims: { input: { tenant: string }; answer: {
    readonly items: readonly DomainClaim[];
  } };
  /** List the verified domains of a tenant */
  listDomains: { input: { tenant: string }; answer: {
    readonly items: readonly TenantDomain[];
  } };
  /** Read the feed of events, oldest first */
  listEvents: { input: { limit?: number; after?: string }; answer: {
    readonly items: readonly Event[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List API keys */
  listKeys: { input: { limit?: number; after?: string; tenant?: string }; answer: {
    readonly items: readonly ApiKey[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List notification channels */
  listNotificationChannels: { input: { limit?: number; after?: string; tenant?: string }; answer: {
    readonly items: readonly NotificationChannel[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List notifications */
  listNotifications: { input: { limit?: number; after?: string; tenant?: string; channel?: string; state?: "waiting" | "sent" | "failed" }; answer: {
    readonly items: readonly Notification[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List those who come and may be auth users that are there */
  listPairs: { input: { limit?: number; after?: string; tenant?: string; connection?: string; change?: string; state?: readonly ("open" | "same" | "different" | "superseded")[] }; answer: {
    readonly items: readonly Pair[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List principals */
  listPrincipals: { input: { limit?: number; after?: string; tenant?: string }; answer: {
    readonly items: readonly Principal[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List product plans */
  listProductPlans: { input: { limit?: number; after?: string }; answer: {
    readonly items: readonly ProductPlan[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List providers with what they can do and what they ask for */
  listProviders: { input: Record<string, never>; answer: {
    readonly items: readonly Provider[];
  } };
  /** List the changes of which draft rules say something else */
  listReplayed: { input: {
    /** The rules would be this connection’s. */
    readonly connection?: string;
    /** The rules would be this tenant’s, for its connections and those below. */
    readonly tenant?: string;
    readonly draft: {
      readonly rules: readonly {
        readonly name: string;
        readonly when: string;
        readonly decide: ("approve" | {
          readonly require?: {
            readonly approvals?: number;
            readonly from?: "reviewer" | "tenant-administrator" | "system";
            readonly configurators?: "allowed" | "refused";
            readonly deadlineHours?: number;
            readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
            readonly validHours?: number;
          };
          readonly hold?: {
            readonly reason: string;
          };
          readonly reject?: {
            readonly reason: string;
          };
          readonly ignore?: {
            readonly reason: string;
            readonly days: number;
          };
        });
      }[];
      /** Of a tenant’s rules alone: those of a connection go by its own. */
      readonly timeZone?: string;
    };
    /** How far back. */
    readonly days?: number;
    /** As `from` and `to` of a difference say it, or its first word: `approve`, `require`. */
    readonly from?: string;
    /** As `from` and `to` of a difference say it, or its first word: `approve`, `require`. */
    readonly to?: string;
    /** Items in the page. */
    readonly limit?: number;
    /** `next` of the page before. */
    readonly after?: string | null;
  }; answer: {
    readonly items: readonly ReplayedChange[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List roles */
  listRoles: { input: { limit?: number; after?: string; tenant?: string }; answer: {
    readonly items: readonly Role[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List sync runs, newest first */
  listRuns: { input: { limit?: number; after?: string; connection?: string }; answer: {
    readonly items: readonly Run[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List sessions */
  listSessions: { input: { limit?: number; after?: string; principal?: string }; answer: {
    readonly items: readonly Session[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List sign-in providers */
  listSignInProviders: { input: { limit?: number; after?: string; tenant?: string }; answer: {
    readonly items: readonly SignInProvider[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** The keys that tokens are checked by */
  listSigningKeys: { input: Record<string, never>; answer: {
    readonly keys: readonly {
      readonly kty: "OKP";
      readonly crv: "Ed25519";
      readonly x: string;
      readonly kid: string;
      readonly use: "sig";
      readonly alg: "EdDSA";
    }[];
  } };
  /** List the tenants that a product plan is set at, with the seats that are taken */
  listSubscriptions: { input: { productPlan: string; limit?: number; after?: string }; answer: {
    readonly items: readonly Subscription[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List support accesses */
  listSupportAccesses: { input: { limit?: number; after?: string; tenant?: string }; answer: {
    readonly items: readonly SupportAccess[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List tenants */
  listTenants: { input: { limit?: number; after?: string; parent?: string }; answer: {
    readonly items: readonly Tenant[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** List auth users */
  listUsers: { input: { limit?: number; after?: string; tenant?: string; state?: "active" | "suspended" | "deleted"; search?: string; connection?: string }; answer: {
    readonly items: readonly User[];
    /** `after` of the following page; null: this was the last one. */
    readonly next: string | null;
  } };
  /** Load a configuration file */
  loadConfiguration: { input: {
    /** The file, as YAML or JSON. */
    readonly configuration: string;
    /** What the references of credentials stand for, by `env:NAME` and `file:PATH`: the server looks none of them up. */
    readonly secrets?: { readonly [name: string]: string };
    /** Of the difference that was seen: refused if it would be another one by now. */
    readonly stamp: string;
  }; answer: LoadedConfiguration };
  /** Move a tenant, with all below it, to another parent */
  moveTenant: { input: { tenant: string } & {
    readonly parent: string;
  }; answer: Tenant };
  /** Let through for a time what a guard would hold */
  overrideGuard: { input: { connection: string } & {
    /** The one whose limit is set aside. */
    readonly guard: "protected-users" | "last-administrator" | "last-holder" | "too-few-seats" | "policy-in-doubt" | "scope-emptied" | "too-many-deletions" | "too-many-deletions-in-window" | "shrunken-directory" | "shrunken-domain" | "shrunken-org-unit" | "shrunken-group" | "too-many-lost-roles" | "too-many-moves" | "bulk-blanking" | "too-many-changes" | "same-person";
    /** Up to so many go, where the policy would let fewer through; null: all. */
    readonly allowed: (number | null);
    /** How long; at most 90 days. */
    readonly until: string;
    /** For whoever asks later. */
    readonly reason: string;
  }; answer: GuardOverride };
  /** Pause an apply */
  pauseApply: { input: { apply: string } & {
    /** Why, for whoever asks later. */
    readonly reason?: (string | null);
  }; answer: Apply };
  /** See what another mapping would change */
  previewMapping: { input: { connection: string } & {
    readonly mapping: MappingInput;
  }; answer: MappingPreview };
  /** Refuse a support access that was asked for */
  refuseSupportAccess: { input: { supportAccess: string }; answer: SupportAccess };
  /** Remove a notification channel */
  removeNotificationChannel: { input: { notificationChannel: string }; answer: null };
  /** Remove a sign-in provider */
  removeSignInProvider: { input: { signInProvider: string }; answer: null };
  /** Make the plan of a finished run again, and say whether the same follows */
  replanRun: { input: { run: string }; answer: Replanned };
  /** See what draft rules would have decided on past changes */
  replayPolicy: { input: {
    /** The rules would be this connection’s. */
    readonly connection?: string;
    /** The rules would be this tenant’s, for its connections and those below. */
    readonly tenant?: string;
    readonly draft: {
      readonly rules: readonly {
        readonly name: string;
        readonly when: string;
        readonly decide: ("approve" | {
          readonly require?: {
            readonly approvals?: number;
            readonly from?: "reviewer" | "tenant-administrator" | "system";
            readonly configurators?: "allowed" | "refused";
            readonly deadlineHours?: number;
            readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
            readonly validHours?: number;
          };
          readonly hold?: {
            readonly reason: string;
          };
          readonly reject?: {
            readonly reason: string;
          };
          readonly ignore?: {
            readonly reason: string;
            readonly days: number;
          };
        });
      }[];
      /** Of a tenant’s rules alone: those of a connection go by its own. */
      readonly timeZone?: string;
    };
    /** How far back. */
    readonly days?: number;
  }; answer: PolicyReplay };
  /** Start a sync run */
  requestRun: { input: { connection: string } & {
    /** Read everybody, also where the provider can name those who changed. */
    readonly full?: boolean;
    /** Read only these, by their ids in the directory. Where the provider cannot be asked for one user, or after a change of the configuration, everybody is read. */
    readonly users?: (readonly string[] | null);
  }; answer: {
    readonly run: Run;
    /** It was waiting before. */
    readonly already: boolean;
  } };
  /** Ask to be let into a tenant */
  requestSupportAccess: { input: {
    readonly tenant: string;
    readonly principal?: string | null;
    readonly reason: string;
    readonly minutes?: number;
    readonly mayWrite?: boolean;
  }; answer: SupportAccess };
  /** Let a paused apply go on */
  resumeApply: { input: { apply: string } & {
    /** Why, for whoever asks later. */
    readonly reason?: (string | null);
    /** Why it goes on although a freeze period holds: in those that hold now, in none that is declared, begins or is prolonged later. Needs `guards.override`. */
    readonly despiteFreeze?: (string | null);
  }; answer: Apply };
  /** Resume a suspended tenant */
  resumeTenant: { input: { tenant: string }; answer: Tenant };
  /** Revoke an API key */
  revokeKey: { input: { key: string }; answer: null };
  /** Take away a role that was given by hand */
  revokeRole: { input: { user: string; role: string; tenant?: string }; answer: UserDetails };
  /** Replace an API key without a pause */
  rotateKey: { input: { key: string } & {
    readonly overlapMinutes?: number;
    readonly expiresAt?: (string | null);
  }; answer: {
    readonly id: string;
    /** Shown this once. */
    readonly key: string;
    /** null: it does not expire. */
    readonly expiresAt: (string | null);
    readonly replaces: string;
    /** Until when the old key opens at the longest. */
    readonly oldExpiresAt: string;
  } };
  /** Change what a tenant decides for its connections and those of all tenants below */
  setTenantPolicy: { input: { tenant: string } & {
    readonly version?: number;
    readonly timeZone?: string;
    readonly rules?: readonly {
      readonly name: string;
      readonly when: string;
      readonly decide: ("approve" | {
        readonly require?: {
          readonly approvals?: number;
          readonly from?: "reviewer" | "tenant-administrator" | "system";
          readonly configurators?: "allowed" | "refused";
          readonly deadlineHours?: number;
          readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
          readonly validHours?: number;
        };
        readonly hold?: {
          readonly reason: string;
        };
        readonly reject?: {
          readonly reason: string;
        };
        readonly ignore?: {
          readonly reason: string;
          readonly days: number;
        };
      });
    }[];
    readonly freezes?: readonly {
      readonly name: string;
      readonly from: string;
      readonly until: string;
    }[];
  }; answer: TenantPolicyView };
  /** Sign out */
  signOut: { input: Record<string, never>; answer: null };
  /** Apply what was approved */
  startApply: { input: { connection: string } & {
    /** Why it goes on although a freeze period holds: in those that hold now, in none that is declared, begins or is prolonged later. Needs `guards.override`. */
    readonly despiteFreeze?: (string | null);
  }; answer: {
    readonly apply: string;
    /** Changes to be carried out. */
    readonly total: number;
  } };
  /** Count the pending changes of each connection */
  summarise: { input: { tenant?: string; connection?: string }; answer: {
    readonly items: readonly Summary[];
  } };
  /** Suspend a tenant and all below it */
  suspendTenant: { input: { tenant: string }; answer: Tenant };
  /** Take back what was edited */
  takeBackAdjustment: { input: { adjustment: string } & {
    /** For whoever asks later. */
    readonly reason: string;
  }; answer: {
    /** The change that waits now; null: none that is new. */
    readonly change: (string | null);
  } };
  /** Try what a pull needs */
  testConnection: { input: { connection: string } & {
    readonly mapping?: MappingInput;
  }; answer: {
    /** A full pull would work. */
    readonly ok: boolean;
    readonly steps: readonly CheckStep[];
    readonly preview: (ConnectionPreview | null);
  } };
  /** Send a message that says that it is a test */
  testNotificationChannel: { input: { notificationChannel: string }; answer: {
    /** The receiver has taken it. */
    readonly ok: boolean;
    /** Why not; or who of several was refused. */
    readonly problem: string | null;
  } };
  /** Test policy rules by cases */
  testPolicy: { input: {
    /** The rules would be this connection’s. */
    readonly connection?: string;
    /** The rules would be this tenant’s, for its connections and those below. */
    readonly tenant?: string;
    /** In the place of the rules that are there. Missing: those that are there. */
    readonly draft?: {
      readonly rules: readonly {
        readonly name: string;
        readonly when: string;
        readonly decide: ("approve" | {
          readonly require?: {
            readonly approvals?: number;
            readonly from?: "reviewer" | "tenant-administrator" | "system";
            readonly configurators?: "allowed" | "refused";
            readonly deadlineHours?: number;
            readonly escalateTo?: "reviewer" | "tenant-administrator" | "system";
            readonly validHours?: number;
          };
          readonly hold?: {
            readonly reason: string;
          };
          readonly reject?: {
            readonly reason: string;
          };
          readonly ignore?: {
            readonly reason: string;
            readonly days: number;
          };
        });
      }[];
      /** Of a tenant’s rules alone: those of a connection go by its own. */
      readonly timeZone?: string;
    };
    readonly cases: readonly {
      readonly name: string;
      readonly change: {
        readonly kind?: "create" | "link" | "reactivate" | "update" | "unlink" | "suspend" | "delete" | "conflict";
        readonly cause?: "joined" | "matched-by-email" | "matched-by-rule" | "returned" | "edited" | "group-membership" | "mapping-changed" | "local-edit" | "suspended" | "deprovisioned" | "left" | "out-of-scope" | "scope-changed" | "address-taken" | "address-shared" | "address-unverified" | "placed" | "tenant-missing" | "tenant-unknown" | "match-unsure" | "several-candidates" | "grace-over" | "undo";
        readonly user?: {
          readonly state?: "active" | "suspended" | "deleted";
          readonly place?: string;
          readonly roles?: readonly string[];
          readonly userName?: string;
          readonly email?: string;
          readonly displayName?: string;
          readonly givenName?: string;
          readonly familyName?: string;
          readonly jobTitle?: string;
          readonly department?: string;
          readonly division?: string;
          readonly costCenter?: string;
          readonly company?: string;
          readonly employeeId?: string;
          readonly employeeType?: string;
          readonly officeLocation?: string;
          readonly phone?: string;
          readonly mobilePhone?: string;
          readonly locale?: string;
          readonly orgUnit?: string;
          readonly userType?: string;
          readonly manager?: string;
          readonly custom?: { readonly [name: string]: (string | number | boolean | readonly string[]) };
        };
        readonly before?: {
          readonly state?: "active" | "suspended" | "deleted";
          readonly place?: string;
          readonly roles?: readonly string[];
          readonly userName?: string;
          readonly email?: string;
          readonly displayName?: string;
          readonly givenName?: string;
          readonly familyName?: string;
          readonly jobTitle?: string;
          readonly department?: string;
          readonly division?: string;
          readonly costCenter?: string;
          readonly company?: string;
          readonly employeeId?: string;
          readonly employeeType?: string;
          readonly officeLocation?: string;
          readonly phone?: string;
          readonly mobilePhone?: string;
          readonly locale?: string;
          readonly orgUnit?: string;
          readonly userType?: string;
          readonly manager?: string;
          readonly custom?: { readonly [name: string]: (string | number | boolean | readonly string[]) };
        };
        readonly after?: {
          readonly state?: "active" | "suspended" | "deleted";
          readonly place?: string;
          readonly roles?: readonly string[];
          readonly userName?: string;
          readonly email?: string;
          readonly displayName?: string;
          readonly givenName?: string;
          readonly familyName?: string;
          readonly jobTitle?: string;
          readonly department?: string;
          readonly division?: string;
          readonly costCenter?: string;
          readonly company?: string;
          readonly employeeId?: string;
          readonly employeeType?: string;
          readonly officeLocation?: string;
          readonly phone?: string;
          readonly mobilePhone?: string;
          readonly locale?: string;
          readonly orgUnit?: string;
          readonly userType?: string;
          readonly manager?: string;
          readonly custom?: { readonly [name: string]: (string | number | boolean | readonly string[]) };
        };
        readonly risk?: "low" | "medium" | "high";
        readonly riskSignals?: readonly ("privileged-role-gained" | "privileged-role-lost" | "privileged-user-removed" | "protected-user" | "many-roles-lost" | "many-roles-gained" | "removed-with-roles" | "removed-by-settings" | "user-taken-over" | "tenant-move" | "other-domain" | "many-fields" | "fields-emptied" | "undoes-local-edit" | "manages-others" | "last-holder" | "unusual-hour" | "broken-pattern" | "conflict" | "not-assessed")[];
      };
      readonly tenant?: string;
      readonly connection?: string;
      readonly provider?: "entra" | "okta" | "google" | "ldap" | "scim" | "file";
      readonly at?: string;
      readonly expect: ("approve" | "require" | "hold" | "ignore" | "reject" | "nothing" | {
        readonly verdict: "approve" | "require" | "hold" | "ignore" | "reject" | "nothing";
        readonly rule?: string;
        readonly approvals?: number;
        readonly from?: "reviewer" | "tenant-administrator" | "system";
        readonly configurators?: "allowed" | "refused";
        readonly deadlineHours?: number | null;
        readonly escalateTo?: ("reviewer" | "tenant-administrator" | "system" | null);
        readonly validHours?: number | null;
        readonly reason?: string;
        readonly days?: number;
      });
    }[];
  }; answer: PolicyTest };
  /** Test a sign-in provider */
  testSignInProvider: { input: { signInProvider: string }; answer: {
    readonly checks: readonly {
      readonly step: "discovery" | "keys" | "pkce" | "client" | "redirect";
      readonly ok: boolean | null;
      readonly detail: string;
      readonly remedy: string | null;
    }[];
  } };
  /** Propose what takes an apply back */
  undoApply: { input: { apply: string } & {
    /** Only these of its changes; null: all of them. */
    readonly changes?: (readonly string[] | null);
    /** Why, for whoever asks later. */
    readonly reason?: (string | null);
    /** Says what would be proposed, and proposes nothing. */
    readonly dryRun?: boolean;
  }; answer: ProposedUndo };
  /** Take back that a tenant owns a domain */
  unverifyDomain: { input: { tenant: string; domain: string }; answer: null };
  /** Change a connection */
  updateConnection: { input: { connection: string } & {
    readonly version?: number;
    readonly name?: string;
    readonly settings?: unknown;
    readonly credentials?: unknown;
    readonly network?: NetworkInput;
    readonly mapping?: MappingInput;
    readonly policy?: PolicyInput;
    readonly schedule?: string | null;
    readonly timeZone?: string;
    readonly issuer?: (string | null);
    readonly state?: "active" | "paused";
  }; answer: SavedConnection };
  /** Change a notification channel */
  updateNotificationChannel: { input: { notificationChannel: string } & {
    readonly name?: string;
    /** Of the same type as before. */
    readonly destination?: ChangedDestinationInput;
    readonly immediately?: readonly ("pending-approvals" | "held-changes" | "overdue-approvals" | "quarantine" | "failed-apply" | "expiring-credential")[];
    readonly inDigest?: readonly ("pending-approvals" | "held-changes" | "overdue-approvals" | "quarantine" | "failed-apply" | "expiring-credential")[];
    readonly schedule?: string | null;
    readonly timeZone?: string;
    readonly namesPeople?: boolean;
  }; answer: NotificationChannel };
  /** Change a product plan */
  updateProductPlan: { input: { productPlan: string } & {
    readonly version?: number;
    readonly name?: string;
    readonly description?: string;
    readonly seats?: (number | null);
    readonly roles?: readonly string[];
  }; answer: ProductPlan };
  /** Change a role */
  updateRole: { input: { role: string } & {
    readonly version?: number;
    readonly description?: string;
    readonly type?: "ordinary" | "automatic" | "assignable" | "hidden";
    readonly permissions?: readonly string[];
  }; answer: Role };
  /** Change a sign-in provider */
  updateSignInProvider: { input: { signInProvider: string } & {
    readonly name?: string;
    readonly clientSecret?: (string | null);
    readonly ca?: (string | null);
  }; answer: SignInProvider };
  /** Change a tenant’s name, whether it inherits roles, or its product plan */
  updateTenant: { input: { tenant: string } & {
    readonly name?: string;
    readonly inheritsRoles?: boolean;
    readonly plan?: (string | null);
    /** Of the tenant that the change was made on: refused if it is another one by now. */
    readonly version?: number;
  }; answer: Tenant };
  /** Verify audit logs */
  verifyAudit: { input: { tenant?: string; known?: readonly string[] }; answer: {
    readonly tenants: readonly {
      readonly tenant: string;
      /** null: it was deleted. */
      readonly tenantName: string | null;
      readonly entries: number;
      readonly ok: boolean;
      /** Number of the first entry that is not what it was. */
      readonly brokenAt?: number;
      readonly because?: string;
    }[];
  } };
  /** Record that a tenant owns a domain */
  verifyDomain: { input: { tenant: string } & {
    readonly domain: string;
  }; answer: TenantDomain };
  /** Who is calling, and what they may */
  whoami: { input: Record<string, never>; answer: {
    readonly principal: string;
    readonly name: string;
    readonly tenant: string;
    readonly role: "system" | "tenant-administrator" | "reviewer" | "auditor" | "support" | "application";
    readonly permissions: readonly ("tenants.read" | "tenants.write" | "connections.read" | "connections.write" | "runs.read" | "runs.start" | "changes.read" | "changes.decide" | "changes.apply" | "guards.override" | "users.read" | "users.write" | "roles.read" | "roles.write" | "principals.read" | "principals.write" | "audit.read" | "events.read" | "authorization.read" | "tokens.create" | "sign-in.read" | "sign-in.write" | "notifications.read" | "notifications.write" | "support.read" | "support.request" | "support.decide" | "support.end")[];
    /** The support access that the request names. */
    readonly supportAccess: (string | null);
  } };
  /** Withdraw the claim of a domain */
  withdrawDomainClaim: { input: { domainClaim: string }; answer: null };
  /** Withdraw an invitation */
  withdrawInvitation: { input: { principal: string }; answer: null };
};

/** Where each operation is found, and which members of its input go into the query. */
export const operations = {
  addNotificationChannel: { method: 'POST', path: '/v1/notification-channels', query: [], body: true },
  addSignInProvider: { method: 'POST', path: '/v1/sign-in-providers', query: [], body: true },
  adjustNewcomer: { method: 'POST', path: '/v1/changes/{change}/adjustment', query: [], body: true },
  assignChanges: { method: 'POST', path: '/v1/changes/assignments', query: [], body: true },
  cancelApply: { method: 'POST', path: '/v1/applies/{apply}/cancel', query: [], body: true },
  checkDomainClaim: { method: 'POST', path: '/v1/domain-claims/{domainClaim}/check', query: [], body: false },
  choosePairs: { method: 'POST', path: '/v1/pairs/verdicts', query: [], body: true },
  claimDomain: { method: 'POST', path: '/v1/tenants/{tenant}/domain-claims', query: [], body: true },
  commentOnChange: { method: 'POST', path: '/v1/changes/{change}/comments', query: [], body: true },
  createConnection: { method: 'POST', path: '/v1/connections', query: [], body: true },
  createKey: { method: 'POST', path: '/v1/principals/{principal}/keys', query: [], body: true },
  createPrincipal: { method: 'POST', path: '/v1/principals', query: [], body: true },
  createProductPlan: { method: 'POST', path: '/v1/product-plans', query: [], body: true },
  createRecoveryCodes: { method: 'POST', path: '/v1/principals/{principal}/recovery-codes', query: [], body: false },
  createRole: { method: 'POST', path: '/v1/roles', query: [], body: true },
  createTenant: { method: 'POST', path: '/v1/tenants', query: [], body: true },
  createUserToken: { method: 'POST', path: '/v1/users/{user}/token', query: [], body: true },
  decide: { method: 'POST', path: '/v1/changes/decisions', query: [], body: true },
  deleteProductPlan: { method: 'DELETE', path: '/v1/product-plans/{productPlan}', query: [], body: false },
  deleteRole: { method: 'DELETE', path: '/v1/roles/{role}', query: [], body: false },
  deleteTenant: { method: 'DELETE', path: '/v1/tenants/{tenant}', query: ["at"], body: false },
  describeTenant: { method: 'GET', path: '/v1/tenants/{tenant}', query: [], body: false },
  diffConfiguration: { method: 'POST', path: '/v1/configuration/diff', query: [], body: true },
  disablePrincipal: { method: 'POST', path: '/v1/principals/{principal}/disable', query: [], body: false },
  editUser: { method: 'PATCH', path: '/v1/users/{user}', query: [], body: true },
  enablePrincipal: { method: 'POST', path: '/v1/principals/{principal}/enable', query: [], body: false },
  endGuardOverride: { method: 'DELETE', path: '/v1/guard-overrides/{guardOverride}', query: [], body: false },
  endSession: { method: 'DELETE', path: '/v1/sessions/{session}', query: [], body: false },
  endSessionsOf: { method: 'DELETE', path: '/v1/sessions', query: ["principal"], body: false },
  endSupportAccess: { method: 'POST', path: '/v1/support-accesses/{supportAccess}/end', query: [], body: false },
  explainPerson: { method: 'GET', path: '/v1/connections/{connection}/explanation', query: ["externalId","address"], body: false },
  explainUser: { method: 'GET', path: '/v1/users/{user}/explanation', query: [], body: false },
  exportConfiguration: { method: 'GET', path: '/v1/configuration', query: ["tenant"], body: false },
  findUserByIdentity: { method: 'GET', path: '/v1/users/by-identity', query: ["issuer","subject","provider","externalId","connection"], body: false },
  getApply: { method: 'GET', path: '/v1/applies/{apply}', query: [], body: false },
  getAuthorization: { method: 'GET', path: '/v1/users/{user}/authorization', query: ["tenant"], body: false },
  getChange: { method: 'GET', path: '/v1/changes/{change}', query: [], body: false },
  getConnection: { method: 'GET', path: '/v1/connections/{connection}', query: [], body: false },
  getConnectionPolicy: { method: 'GET', path: '/v1/connections/{connection}/policy', query: [], body: false },
  getDomainClaim: { method: 'GET', path: '/v1/domain-claims/{domainClaim}', query: [], body: false },
  getGuards: { method: 'GET', path: '/v1/connections/{connection}/guards', query: [], body: false },
  getNotificationChannel: { method: 'GET', path: '/v1/notification-channels/{notificationChannel}', query: [], body: false },
  getPair: { method: 'GET', path: '/v1/pairs/{pair}', query: [], body: false },
  getPrincipal: { method: 'GET', path: '/v1/principals/{principal}', query: [], body: false },
  getProductPlan: { method: 'GET', path: '/v1/product-plans/{productPlan}', query: [], body: false },
  getProductPlanOf: { method: 'GET', path: '/v1/tenants/{tenant}/product-plan', query: [], body: false },
  getRole: { method: 'GET', path: '/v1/roles/{role}', query: [], body: false },
  getRun: { method: 'GET', path: '/v1/runs/{run}', query: [], body: false },
  getSession: { method: 'GET', path: '/v1/session', query: [], body: false },
  getSupportAccess: { method: 'GET', path: '/v1/support-accesses/{supportAccess}', query: [], body: false },
  getTenantPolicy: { method: 'GET', path: '/v1/tenants/{tenant}/policy', query: [], body: false },
  getTimeline: { method: 'GET', path: '/v1/users/{user}/timeline', query: ["limit"], body: false },
  getUser: { method: 'GET', path: '/v1/users/{user}', query: [], body: false },
  grantRole: { method: 'PUT', path: '/v1/users/{user}/roles/{role}', query: ["tenant"], body: false },
  grantSupportAccess: { method: 'POST', path: '/v1/support-accesses/{supportAccess}/grant', query: [], body: true },
  groupChanges: { method: 'GET', path: '/v1/changes/groups', query: ["set","kind","cause","risk","field","department","orgUnit","roleGained","roleLost","difference","guard","rule","assignee","deadline","search","limit","after","tenant","connection","by","state"], body: false },
  invitePrincipal: { method: 'POST', path: '/v1/principals/{principal}/invitations', query: [], body: true },
  inviteSupport: { method: 'POST', path: '/v1/support-accesses/invitations', query: [], body: true },
  isAlive: { method: 'GET', path: '/healthz', query: [], body: false },
  isReady: { method: 'GET', path: '/readyz', query: [], body: false },
  keepTenant: { method: 'POST', path: '/v1/tenants/{tenant}/keep', query: [], body: false },
  listAdjustments: { method: 'GET', path: '/v1/adjustments', query: ["limit","after","tenant","connection"], body: false },
  listAppliedChanges: { method: 'GET', path: '/v1/applies/{apply}/changes', query: ["limit","after","outcome"], body: false },
  listApplies: { method: 'GET', path: '/v1/applies', query: ["limit","after","connection"], body: false },
  listAudit: { method: 'GET', path: '/v1/audit', query: ["tenant","order","action","actor","from","to","supportAccess","after","limit"], body: false },
  listChanges: { method: 'GET', path: '/v1/changes', query: ["set","kind","cause","risk","field","department","orgUnit","roleGained","roleLost","difference","guard","rule","assignee","deadline","search","limit","after","tenant","connection","apply","state"], body: false },
  listComments: { method: 'GET', path: '/v1/changes/{change}/comments', query: ["limit","after"], body: false },
  listConnections: { method: 'GET', path: '/v1/connections', query: ["limit","after","tenant"], body: false },
  listDomainClaims: { method: 'GET', path: '/v1/tenants/{tenant}/domain-claims', query: [], body: false },
  listDomains: { method: 'GET', path: '/v1/tenants/{tenant}/domains', query: [], body: false },
  listEvents: { method: 'GET', path: '/v1/events', query: ["limit","after"], body: false },
  listKeys: { method: 'GET', path: '/v1/keys', query: ["limit","after","tenant"], body: false },
  listNotificationChannels: { method: 'GET', path: '/v1/notification-channels', query: ["limit","after","tenant"], body: false },
  listNotifications: { method: 'GET', path: '/v1/notifications', query: ["limit","after","tenant","channel","state"], body: false },
  listPairs: { method: 'GET', path: '/v1/pairs', query: ["limit","after","tenant","connection","change","state"], body: false },
  listPrincipals: { method: 'GET', path: '/v1/principals', query: ["limit","after","tenant"], body: false },
  listProductPlans: { method: 'GET', path: '/v1/product-plans', query: ["limit","after"], body: false },
  listProviders: { method: 'GET', path: '/v1/providers', query: [], body: false },
  listReplayed: { method: 'POST', path: '/v1/policy-replays/changes', query: [], body: true },
  listRoles: { method: 'GET', path: '/v1/roles', query: ["limit","after","tenant"], body: false },
  listRuns: { method: 'GET', path: '/v1/runs', query: ["limit","after","connection"], body: false },
  listSessions: { method: 'GET', path: '/v1/sessions', query: ["limit","after","principal"], body: false },
  listSignInProviders: { method: 'GET', path: '/v1/sign-in-providers', query: ["limit","after","tenant"], body: false },
  listSigningKeys: { method: 'GET', path: '/.well-known/jwks.json', query: [], body: false },
  listSubscriptions: { method: 'GET', path: '/v1/product-plans/{productPlan}/tenants', query: ["limit","after"], body: false },
  listSupportAccesses: { method: 'GET', path: '/v1/support-accesses', query: ["limit","after","tenant"], body: false },
  listTenants: { method: 'GET', path: '/v1/tenants', query: ["limit","after","parent"], body: false },
  listUsers: { method: 'GET', path: '/v1/users', query: ["limit","after","tenant","state","search","connection"], body: false },
  loadConfiguration: { method: 'POST', path: '/v1/configuration/load', query: [], body: true },
  moveTenant: { method: 'POST', path: '/v1/tenants/{tenant}/move', query: [], body: true },
  overrideGuard: { method: 'POST', path: '/v1/connections/{connection}/guards/overrides', query: [], body: true },
  pauseApply: { method: 'POST', path: '/v1/applies/{apply}/pause', query: [], body: true },
  previewMapping: { method: 'POST', path: '/v1/connections/{connection}/preview', query: [], body: true },
  refuseSupportAccess: { method: 'POST', path: '/v1/support-accesses/{supportAccess}/refuse', query: [], body: false },
  removeNotificationChannel: { method: 'DELETE', path: '/v1/notification-channels/{notificationChannel}', query: [], body: false },
  removeSignInProvider: { method: 'DELETE', path: '/v1/sign-in-providers/{signInProvider}', query: [], body: false },
  replanRun: { method: 'GET', path: '/v1/runs/{run}/replan', query: [], body: false },
  replayPolicy: { method: 'POST', path: '/v1/policy-replays', query: [], body: true },
  requestRun: { method: 'POST', path: '/v1/connections/{connection}/runs', query: [], body: true },
  requestSupportAccess: { method: 'POST', path: '/v1/support-accesses', query: [], body: true },
  resumeApply: { method: 'POST', path: '/v1/applies/{apply}/resume', query: [], body: true },
  resumeTenant: { method: 'POST', path: '/v1/tenants/{tenant}/resume', query: [], body: false },
  revokeKey: { method: 'DELETE', path: '/v1/keys/{key}', query: [], body: false },
  revokeRole: { method: 'DELETE', path: '/v1/users/{user}/roles/{role}', query: ["tenant"], body: false },
  rotateKey: { method: 'POST', path: '/v1/keys/{key}/rotate', query: [], body: true },
  setTenantPolicy: { method: 'PATCH', path: '/v1/tenants/{tenant}/policy', query: [], body: true },
  signOut: { method: 'DELETE', path: '/v1/session', query: [], body: false },
  startApply: { method: 'POST', path: '/v1/connections/{connection}/applies', query: [], body: true },
  summarise: { method: 'GET', path: '/v1/changes/summary', query: ["tenant","connection"], body: false },
  suspendTenant: { method: 'POST', path: '/v1/tenants/{tenant}/suspend', query: [], body: false },
  takeBackAdjustment: { method: 'POST', path: '/v1/adjustments/{adjustment}/end', query: [], body: true },
  testConnection: { method: 'POST', path: '/v1/connections/{connection}/test', query: [], body: true },
  testNotificationChannel: { method: 'POST', path: '/v1/notification-channels/{notificationChannel}/test', query: [], body: false },
  testPolicy: { method: 'POST', path: '/v1/policy-tests', query: [], body: true },
  testSignInProvider: { method: 'POST', path: '/v1/sign-in-providers/{signInProvider}/test', query: [], body: false },
  undoApply: { method: 'POST', path: '/v1/applies/{apply}/undo', query: [], body: true },
  unverifyDomain: { method: 'DELETE', path: '/v1/tenants/{tenant}/domains/{domain}', query: [], body: false },
  updateConnection: { method: 'PATCH', path: '/v1/connections/{connection}', query: [], body: true },
  updateNotificationChannel: { method: 'PATCH', path: '/v1/notification-channels/{notificationChannel}', query: [], body: true },
  updateProductPlan: { method: 'PATCH', path: '/v1/product-plans/{productPlan}', query: [], body: true },
  updateRole: { method: 'PATCH', path: '/v1/roles/{role}', query: [], body: true },
  updateSignInProvider: { method: 'PATCH', path: '/v1/sign-in-providers/{signInProvider}', query: [], body: true },
  updateTenant: { method: 'PATCH', path: '/v1/tenants/{tenant}', query: [], body: true },
  verifyAudit: { method: 'GET', path: '/v1/audit/verification', query: ["tenant","known"], body: false },
  verifyDomain: { method: 'POST', path: '/v1/tenants/{tenant}/domains', query: [], body: true },
  whoami: { method: 'GET', path: '/v1/whoami', query: [], body: false },
  withdrawDomainClaim: { method: 'DELETE', path: '/v1/domain-claims/{domainClaim}', query: [], body: false },
  withdrawInvitation: { method: 'DELETE', path: '/v1/principals/{principal}/invitations', query: [], body: false },
} as const satisfies Record<keyof Operations, { readonly method: string; readonly path: string; readonly query: readonly string[]; readonly body: boolean }>;
