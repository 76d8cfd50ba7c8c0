/** The simulators' own certificate authority, server certificate and client keys, made at start or kept in a folder. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

export type Keys = {
  /** What clients have to trust. */
  readonly ca: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  /** RSA, as Entra's and Google's credentials need it. PKCS #8. */
  readonly clientKey: string;
  /** Self-signed, for Entra's certificate credential. */
  readonly clientCertificate: string;
  /** Milliseconds since 1970. */
  readonly validUntil: number;
};

const day = 86_400_000;
const ec = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const rsa = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};
const usages: ('sign' | 'verify')[] = ['sign', 'verify'];

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return x509.PemConverter.encode(bytes, 'PRIVATE KEY');
}

async function authority(dates: { notBefore: Date; notAfter: Date }) {
  const keys = await webcrypto.subtle.generateKey(ec, true, usages);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Rollcall Simulators Test CA',
    keys,
    signingAlgorithm: ec,
    ...dates,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { keys, certificate };
}

async function server(dates: { notBefore: Date; notAfter: Date }) {
  const [issuer, keys] = await Promise.all([
    authority(dates),
    webcrypto.subtle.generateKey(ec, true, usages),
  ]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=localhost',
    issuer: issuer.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: ec,
    ...dates,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
    ],
  });
  return {
    ca: issuer.certificate.toString('pem'),
    certificate: certificate.toString('pem'),
    key: await pemOf(keys.privateKey),
  };
}

async function client(dates: { notBefore: Date; notAfter: Date }) {
  const keys = await webcrypto.subtle.generateKey(rsa, true, usages);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Rollcall Directory Sync',
    keys,
    signingAlgorithm: rsa,
    ...dates,
  });
  return { certificate: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

async function makeKeys(now: number): Promise<Keys> {
  const validUntil = now + 365 * day;
  const dates = { notBefore: new Date(now - day), notAfter: new Date(validUntil) };
  const [forServer, forClient] = await Promise.all([server(dates), client(dates)]);
  return {
    ca: forServer.ca,
    serverCertificate: forServer.certificate,
    serverKey: forServer.key,
    clientKey: forClient.key,
    clientCertificate: forClient.certificate,
    validUntil,
  };
}

function readKeys(file: string, now: number): Keys | null {
  try {
    const keys = JSON.parse(readFileSync(file, 'utf8')) as Keys;
    return keys.validUntil - now > 30 * day ? keys : null;
  } catch {
    return null; // Missing or damaged: they are only test keys, new ones replace them.
  }
}

/**
 * Keys for one simulator. With a folder, the keys made first are kept there (readable by their owner only) and used again by
 * every later start, so that a stored connection still trusts the simulator; several simulators may share the folder.
 */
export async function openKeys(folder: string | null, now = Date.now()): Promise<Keys> {
  if (folder === null) return makeKeys(now);
  const file = join(folder, 'simulator-keys.json');
  const kept = readKeys(file, now);
  if (kept) return kept;
  const made = await makeKeys(now);
  mkdirSync(folder, { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(made), { mode: 0o600 });
  try {
    if (readKeys(file, now) === null) rmSync(file, { force: true });
    linkSync(draft, file); // Fails when another simulator was faster: then its keys are the ones.
  } catch {
    return readKeys(file, now) ?? made;
  } finally {
    rmSync(draft, { force: true });
  }
  return made;
}
