/** What an administrator gives: a service account's key, best the JSON file as Google made it, and whom to act for. */
import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';
import { ScopeSettings } from './connectionScope.ts';

export const GoogleSettings = z.strictObject({
  /** `my_customer` is the account of the impersonated administrator, with all its domains. */
  customer: z.string().min(1).max(64).default('my_customer'),
  /** Primary address of the administrator in whose name the service account reads. */
  adminEmail: z.email(),
  ...ScopeSettings.shape,
});
export type GoogleSettings = z.infer<typeof GoogleSettings>;

/** PEM; what was pasted out of a JSON file may still have its line ends written as `\n`. */
const privateKey = z
  .string()
  .overwrite((text) => text.replaceAll('\\n', '\n').trim())
  .refine(isRsaKey, { error: 'Expected a private RSA key as PEM text, as "private_key" in the key file.' });

const serviceAccount = {
  clientEmail: z.email(),
  /** Only to name it in a remedy: the Admin console's list of delegations goes by it. */
  clientId: z.string().regex(/^\d+$/, { error: 'Expected the numeric client ID.' }).exactOptional(),
};

const ServiceAccount = z.strictObject({ kind: z.literal('service-account'), ...serviceAccount, privateKey });

const POOL =
  /^\/\/iam\.googleapis\.com\/projects\/\d+\/locations\/global\/workloadIdentityPools\/[\w-]+\/providers\/[\w-]+$/;

/** No key: the platform that Rollcall runs on vouches for it, and Google signs for the service account. */
const WorkloadIdentity = z.strictObject({
  kind: z.literal('workload-identity'),
  ...serviceAccount,
  /** Full name of the workload identity provider. */
  audience: z.string().regex(POOL, {
    error:
      'Expected the name of a provider: //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER',
  }),
  /** What kind of token the platform gives. */
  tokenType: z.enum(['jwt', 'id_token', 'saml2']).default('jwt'),
  /** The operator's key to signing in as the machine. */
  identityKey: z.string().min(1, 'the key is empty'),
});
export type WorkloadIdentity = z.infer<typeof WorkloadIdentity>;

const KeyFile = z.looseObject({ type: z.literal('service_account') });
const Configuration = z.looseObject({
  type: z.literal('external_account'),
  subject_token_type: z.string(),
  service_account_impersonation_url: z.string(),
});

/**
 * The key file of the Google Cloud console is taken as downloaded, and so is the configuration of a workload identity provider,
 * with "identityKey" added. Where the platform keeps its token is the operator's to say, so that no connection reads other files.
 */
export const GoogleCredentials = z.preprocess(
  (given) => ofKeyFile(given) ?? ofConfiguration(given) ?? given,
  z.discriminatedUnion('kind', [ServiceAccount, WorkloadIdentity]),
);
export type GoogleCredentials = z.infer<typeof GoogleCredentials>;

function isRsaKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}

function ofKeyFile(given: unknown) {
  const file = KeyFile.safeParse(given).data;
  if (file === undefined) return null;
  const { client_email: clientEmail, private_key: privateKey, client_id: clientId } = file;
  return {
    kind: 'service-account',
    clientEmail,
    privateKey,
    ...(clientId === undefined ? {} : { clientId }),
  };
}

function ofConfiguration(given: unknown) {
  const file = Configuration.safeParse(given).data;
  if (file === undefined) return null;
  const { audience, subject_token_type: type, service_account_impersonation_url: url, identityKey } = file;
  return {
    kind: 'workload-identity',
    clientEmail: /\/serviceAccounts\/([^/:]+):/.exec(url)?.[1],
    audience,
    tokenType: type.slice(type.lastIndexOf(':') + 1),
    identityKey,
  };
}
