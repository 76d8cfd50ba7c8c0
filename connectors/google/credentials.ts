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

const ServiceAccount = z.strictObject({
  kind: z.literal('service-account'),
  clientEmail: z.email(),
  privateKey,
  /** Only to name it in a remedy: the Admin console's list of delegations goes by it. */
  clientId: z.string().regex(/^\d+$/, { error: 'Expected the numeric client ID.' }).exactOptional(),
});

const KeyFile = z.looseObject({ type: z.literal('service_account') });

/** The key file of the Google Cloud console is taken as downloaded. Of its other fields none is needed. */
export const GoogleCredentials = z.preprocess((given) => {
  const file = KeyFile.safeParse(given).data;
  if (file === undefined) return given;
  const { client_email: clientEmail, private_key: privateKey, client_id: clientId } = file;
  return {
    kind: 'service-account',
    clientEmail,
    privateKey,
    ...(clientId === undefined ? {} : { clientId }),
  };
}, ServiceAccount);
export type GoogleCredentials = z.infer<typeof GoogleCredentials>;

function isRsaKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}
