/** The options that say which directory and how to reach it: what `connections add`, `connections update` and `pull` share. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Provider } from '../domain/directory.ts';
import { Problem } from '../domain/problem.ts';

export type DirectoryOptions = {
  readonly url?: string;
  readonly directoryId?: string;
  readonly clientId?: string;
  readonly cloud?: string;
  readonly adminEmail?: string;
  readonly customer?: string;
  readonly baseDn?: string;
  readonly schema?: string;
  readonly file?: string;
  readonly settingsFile?: string;
  readonly credentialsFile?: string;
  readonly tokenFile?: string;
  readonly clientSecretFile?: string;
  readonly privateKeyFile?: string;
  readonly keyId?: string;
  readonly serviceAccountFile?: string;
  readonly bindDn?: string;
  readonly bindPasswordFile?: string;
  readonly folderKeyFile?: string;
  readonly ca?: string;
  readonly proxy?: string;
  /** Only `pull` has these two: on the command line everybody who lists processes sees them. */
  readonly token?: string;
  readonly clientSecret?: string;
};

export function addDirectoryOptions(command: Command): Command {
  return command
    .option(
      '--url <url>',
      "Okta: the org's address; LDAP: the server's; SCIM: what stands before /Users; others: address to use in place of the provider's own",
    )
    .option('--directory-id <id>', 'Entra ID: Directory (tenant) ID')
    .option('--client-id <id>', 'Entra ID, Okta with a private key, SCIM with a client secret: ID of the app')
    .option('--cloud <cloud>', 'Entra ID: global, us-gov, us-dod or china')
    .option('--admin-email <address>', 'Google: the administrator in whose name is read')
    .option('--customer <id>', 'Google: customer ID, unless it is the account of that administrator')
    .option('--base-dn <dn>', 'LDAP: where the users are')
    .option('--schema <schema>', 'LDAP: active-directory or openldap')
    .option('--file <path>', "Files: path of the people's file, beginning with the folder that the key opens")
    .option('--settings-file <file>', 'all settings as JSON; the options above go before it')
    .option('--token-file <file>', 'Okta, SCIM: API token')
    .option('--client-secret-file <file>', 'Entra ID, SCIM: client secret')
    .option('--private-key-file <file>', 'Okta: private key; Entra ID: certificate and private key, both PEM')
    .option('--key-id <id>', 'Okta: ID of the registered key that the private key belongs to')
    .option('--service-account-file <file>', 'Google: key of the service account, JSON as downloaded')
    .option('--bind-dn <dn>', 'LDAP: account to sign in with')
    .option('--bind-password-file <file>', 'LDAP: password of that account')
    .option('--folder-key-file <file>', 'Files: key of the folder that the path begins with')
    .option('--credentials-file <file>', 'all credentials as JSON; - reads them from standard input')
    .option('--ca <file>', "PEM certificates to trust besides the system's")
    .option('--proxy <url>', 'forward proxy, http://[user:password@]host:port');
}

/** Secrets as arguments or in the environment, for a quick `pull`. */
export function addInlineSecrets(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--token <token>',
        'Okta, SCIM: API token; others see it in `ps`, the variable they do not',
      ).env('ROLLCALL_PULL_TOKEN'),
    )
    .addOption(
      new Option('--client-secret <secret>', 'Entra ID, SCIM: client secret; likewise').env(
        'ROLLCALL_PULL_CLIENT_SECRET',
      ),
    );
}

/** null where no option speaks of settings. */
export function settingsFrom(provider: Provider, options: DirectoryOptions): Record<string, unknown> | null {
  const { url, directoryId, clientId, cloud, adminEmail, customer, baseDn, schema, file, settingsFile } =
    options;
  const stored = settingsFile === undefined ? {} : objectIn(settingsFile, '--settings-file');
  const given = present({
    orgUrl: provider === 'okta' ? url : undefined,
    scimUrl: provider === 'scim' ? url : undefined,
    url: provider === 'ldap' ? url : undefined,
    directoryId,
    clientId,
    cloud,
    adminEmail,
    customer,
    baseDn,
    schema,
    file,
  });
  const settings = { ...stored, ...given };
  return settingsFile === undefined && Object.keys(given).length === 0 ? null : settings;
}

/** null where no option speaks of the network. */
export function networkFrom(provider: Provider, options: DirectoryOptions): Record<string, unknown> | null {
  const network = present({
    baseUrl: isAddressASetting(provider) ? undefined : options.url,
    ca: options.ca === undefined ? undefined : contentOf(options.ca, '--ca'),
    proxy: options.proxy,
  });
  return Object.keys(network).length === 0 ? null : network;
}

/** Each customer of Okta has an address of their own, as each directory server has; Entra ID and Google have one for all. */
function isAddressASetting(provider: Provider): boolean {
  return provider === 'okta' || provider === 'ldap' || provider === 'scim';
}

/** Which options each provider's credentials are given by, in words; all take --credentials-file. */
const credentialOptions = {
  entra: '--client-secret-file, or --private-key-file with certificate and key',
  okta: '--token-file, or --private-key-file with --key-id',
  google: '--service-account-file',
  ldap: '--bind-dn with --bind-password-file',
  scim: '--token-file, or --client-secret-file with --client-id',
  file: '--folder-key-file',
} as const satisfies Record<Provider, string>;

const takes = (provider: Provider) =>
  `For ${provider} give ${credentialOptions[provider]}, or --credentials-file.`;

/** Throws `invalid-input` that names the options of this provider. */
export function missingCredentials(provider: Provider): never {
  throw new Problem({
    code: 'invalid-input',
    message: 'No credentials are given.',
    remedy: takes(provider),
  });
}

/** An option of another provider's would be refused too, in the connector's words, which nobody has typed. */
function refuseForeign(provider: Provider, options: DirectoryOptions): void {
  const given = {
    '--token-file': options.tokenFile ?? options.token,
    '--client-secret-file': options.clientSecretFile ?? options.clientSecret,
    '--private-key-file': options.privateKeyFile,
    '--key-id': options.keyId,
    '--service-account-file': options.serviceAccountFile,
    '--bind-dn': options.bindDn,
    '--bind-password-file': options.bindPasswordFile,
    '--folder-key-file': options.folderKeyFile,
  };
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined || credentialOptions[provider].includes(option)) continue;
    throw new Problem({
      code: 'invalid-input',
      message: `${option} is no credential of the provider ${provider}.`,
      remedy: takes(provider),
    });
  }
}

/**
 * null where no option speaks of credentials. Throws `invalid-input` when two kinds are given, one that is not the provider's, or a
 * file that cannot be read.
 */
export function credentialsFrom(provider: Provider, options: DirectoryOptions): unknown {
  const { token, clientSecret, keyId } = options;
  const read = (file: string | undefined, option: string) =>
    file === undefined ? undefined : contentOf(file, option).trim();
  const tokenRead = read(options.tokenFile, '--token-file') ?? token;
  const secretRead = read(options.clientSecretFile, '--client-secret-file') ?? clientSecret;
  const keyRead = read(options.privateKeyFile, '--private-key-file');
  const kinds: unknown[] = [];
  if (tokenRead !== undefined) kinds.push({ kind: 'api-token', token: tokenRead });
  if (secretRead !== undefined) kinds.push({ kind: 'secret', clientSecret: secretRead });
  if (keyRead !== undefined) {
    const withId = { kind: 'private-key', privateKey: keyRead, keyId };
    kinds.push(provider === 'entra' ? { kind: 'certificate', pem: keyRead } : withId);
  }
  const folderKey = read(options.folderKeyFile, '--folder-key-file');
  if (folderKey !== undefined) kinds.push({ folderKey });
  const password = read(options.bindPasswordFile, '--bind-password-file');
  if (password !== undefined) kinds.push({ bindDn: options.bindDn, password });
  if (options.serviceAccountFile !== undefined)
    kinds.push(objectIn(options.serviceAccountFile, '--service-account-file'));
  if (options.credentialsFile !== undefined)
    kinds.push(objectIn(options.credentialsFile, '--credentials-file'));
  if (kinds.length > 1) {
    throw new Problem({
      code: 'invalid-input',
      message: 'More than one kind of credential is given.',
      remedy:
        'Give one: a token, a client secret, a private key, a service account, a password, a folder key or a file of credentials.',
    });
  }
  refuseForeign(provider, options);
  return kinds[0] ?? null;
}

/** `-` is standard input. Throws `invalid-input` that names the option and never the content. */
export function contentOf(file: string, option: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new Problem(
      {
        code: 'invalid-input',
        message: `${option}: ${file === '-' ? 'standard input' : file} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
        remedy: 'Name a file that exists and that you may read.',
      },
      { cause: error },
    );
  }
}

/** A JSON object from a file or standard input. The parser's own message could repeat a secret, so it is not shown. */
export function objectIn(file: string, option: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(contentOf(file, option));
  } catch (error) {
    if (error instanceof Problem) throw error;
    value = null;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new Problem({
    code: 'invalid-input',
    message: `${option}: ${file === '-' ? 'standard input' : file} is not a JSON object.`,
    remedy: 'Correct the file; docs/cli.md and the README of the connector show what belongs in it.',
  });
}

/** The object without what is undefined. */
export function present(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
