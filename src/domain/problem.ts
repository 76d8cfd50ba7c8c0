/** What a person is told when something cannot be done: one class, a closed list of codes, always with the remedy. */

/** Every code stands in docs/errors.md (a test holds it). The value says who can mend it. */
export const problemCodes = {
  'invalid-input': 'caller',
  unauthenticated: 'caller',
  forbidden: 'caller',
  'tenant-suspended': 'administrator',
  'support-access-ended': 'caller',
  'not-found': 'caller',
  'name-taken': 'caller',
  'not-allowed-now': 'caller',
  'tenant-in-use': 'caller',
  'changed-since-shown': 'caller',
  'answer-too-large': 'caller',
  ambiguous: 'caller',
  'foreign-request': 'caller',
  'too-many-attempts': 'caller',
  'sign-in-refused': 'administrator',
  'sign-in-failed': 'administrator',
  'connection-failed': 'administrator',
  'run-failed': 'administrator',
  'unreadable-connection': 'operator',
  'audit-broken': 'operator',
  'bad-configuration': 'operator',
  'wrong-secret-key': 'operator',
  'database-unreachable': 'operator',
  'database-too-old': 'operator',
  'database-newer': 'operator',
  'queue-unreachable': 'operator',
  'port-in-use': 'operator',
  'data-folder-unusable': 'operator',
} as const satisfies Record<string, 'caller' | 'administrator' | 'operator'>;

export type ProblemCode = keyof typeof problemCodes;

export type ProblemDetails = {
  readonly code: ProblemCode;
  /** One sentence: what is wrong, naming the field or thing, without secrets and without personal data. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
  /** For invalid input: which fields, and what is wrong with each. */
  readonly fields?: readonly { readonly path: string; readonly message: string }[];
};

/** Thrown by use cases and the store; translated once, by the API into a status and by the command line into an exit code. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly remedy: string;
  readonly fields: readonly { readonly path: string; readonly message: string }[];

  constructor(details: ProblemDetails, options?: ErrorOptions) {
    super(details.message, options);
    this.code = details.code;
    this.remedy = details.remedy;
    this.fields = details.fields ?? [];
  }
}
