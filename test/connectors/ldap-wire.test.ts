import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import fc from 'fast-check';
import { BerWriter, PresenceFilter } from 'ldapts';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLdap } from '../../connectors/ldap/index.ts';
import { LdapCredentials, LdapSettings } from '../../connectors/ldap/settings.ts';
import {
  dnKey,
  fileTimeMs,
  fileTimeOf,
  guidBytes,
  guidText,
  isWithin,
  orgUnitOf,
  parseDn,
  readExtendedDn,
  ridOf,
  sidText,
} from '../../connectors/ldap/values.ts';
import { Malformed, MessageReader } from '../../connectors/ldap/wire.ts';
import { failing, never } from './aSession.ts';

function entry(id: number, dn: string, values: readonly Buffer[]): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(0x64);
  writer.writeString(dn);
  writer.startSequence();
  writer.startSequence();
  writer.writeString('objectGUID');
  writer.startSequence(0x31);
  for (const value of values) writer.writeBuffer(value, 0x04);
  for (let open = 0; open < 5; open++) writer.endSequence();
  return writer.buffer;
}

const readAll = (chunks: readonly Buffer[]) => {
  const reader = new MessageReader();
  return chunks.flatMap((chunk) => [...reader.read(chunk)]);
};
const bytes = fc.uint8Array({ maxLength: 300 }).map((list) => Buffer.from(list));

describe('What a directory server sends', () => {
  it('is read alike, however it is cut into pieces', () => {
    const sent = fc.array(fc.tuple(fc.integer({ min: 1, max: 2 ** 30 }), fc.string(), fc.array(bytes)), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(sent, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (entries, sizes) => {
        const whole = Buffer.concat(entries.map((one) => entry(...one)));
        const chunks: Buffer[] = [];
        for (let at = 0, turn = 0; at < whole.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          chunks.push(whole.subarray(at, at + size));
          at += size;
        }
        const read = readAll(chunks).map((message) =>
          message.kind === 'entry'
            ? [message.id, message.entry.dn, message.entry.attributes.get('objectguid')]
            : message.kind,
        );
        expect(read).toEqual(entries.map(([id, dn, values]) => [id, Buffer.from(dn).toString(), values]));
      }),
    );
  });

  it('ends in a message or in an error, never in a loop or another error, whatever is altered', () => {
    const whole = entry(7, 'cn=kim', [Buffer.from('value'), Buffer.from('another')]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (edits) => {
          const altered = Buffer.from(whole);
          for (const [at, byte] of edits) altered[at] = byte;
          try {
            expect(readAll([altered]).length).toBeLessThan(5);
          } catch (error) {
            expect(error).toBeInstanceOf(Malformed);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is refused when a set claims to be longer than its message', () => {
    const set = [0x04, 1, 0x61, 0x31, 0x20];
    const attribute = [0x30, set.length, ...set];
    const body = [0x04, 1, 0x78, 0x30, attribute.length, ...attribute];
    const message = [2, 1, 1, 0x64, body.length, ...body];
    expect(() => readAll([Buffer.from([0x30, message.length, ...message])])).toThrow(Malformed);
  });
});

it('An answer that has no end is no answer, however well each entry of it is formed', async () => {
  const signedIn = Buffer.from([0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0]);
  const flood = Buffer.concat(Array<Buffer>(64).fill(entry(2, 'cn=kim', [Buffer.alloc(32_000)])));
  const server = createServer((socket) => {
    const pour = () => {
      while (!socket.destroyed && socket.write(flood));
    };
    socket.on('error', () => {}).on('drain', pour);
    socket.once('data', () => {
      socket.write(signedIn);
      socket.once('data', pour);
    });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `ldap://127.0.0.1:${port}`;
  const connector = openLdap(
    {
      settings: LdapSettings.parse({ url, schema: 'openldap', baseDn: 'dc=x', allowPlaintext: true }),
      credentials: LdapCredentials.parse({ bindDn: 'cn=kim', password: 'secret' }),
      network: { baseUrl: null, ca: null, proxy: null },
    },
    { maxRetries: 0 },
  );
  onTestFinished(() => connector.close());
  const { directory } = connector;
  const search = { what: 'users', base: 'dc=x', scope: 'sub', attributes: ['cn'] } as const;
  const filter = new PresenceFilter({ attribute: 'cn' });
  expect(await failing(directory.search({ ...search, filter }, never))).toMatchObject({
    kind: 'unexpected-response',
    message: expect.stringContaining('no end'),
  });
  expect(connector.usage().bytes).toBeLessThan(300 * 2 ** 20);
});

describe('Values of a directory', () => {
  it('GUIDs go to text and back', () => {
    const guid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((list) => Buffer.from(list));
    fc.assert(fc.property(guid, (one) => void expect(guidBytes(guidText(one) ?? '')).toEqual(one)));
    const known = Buffer.from('33221100554477668899aabbccddeeff', 'hex');
    expect(guidText(known)).toBe('00112233-4455-6677-8899-aabbccddeeff');
    expect(guidText(Buffer.from('A'.repeat(16)))).toBe('41414141-4141-4141-4141-414141414141');
    expect([guidText(Buffer.alloc(15)), guidBytes('4141')]).toEqual([null, null]);
  });

  it('SIDs have a text and a last number', () => {
    const sid = Buffer.from('010500000000000515000000010000000200000003000000f4010000', 'hex');
    expect([sidText(sid), ridOf(sid)]).toEqual(['S-1-5-21-1-2-3-500', 500]);
    expect(sidText(sid.subarray(0, 12))).toBeNull();
  });

  it('times since 1601 are exact to the millisecond, and two of them mean never', () => {
    const ms = Date.parse('2026-05-01T09:00:00.123Z');
    expect(fileTimeMs(fileTimeOf(ms))).toBe(ms);
    expect(['0', '9223372036854775807', 'soon', ''].map(fileTimeMs)).toEqual([null, null, null, null]);
  });

  it.each([
    ['CN=Kim,OU=Sales,OU=Staff,DC=harbor,DC=example', '/Staff/Sales'],
    ['uid=kim,ou=people,o=harbor,c=GB', '/people'],
    ['uid=kim,ou=people,o=harbor,dc=example', '/harbor/people'],
    ['CN=Kim\\, Dr.,OU=R\\2BD\\ ,DC=example', '/R+D'],
    ['CN=Kim,DC=example', '/'],
    ['CN=Kim,OU=\\C3\\84rzte,DC=example', '/\u00c4rzte'],
    ['CN=Kim,OU=Mail/Web,DC=example', '/Mail\\/Web'],
  ])('%s is in %s', (dn, path) => expect(orgUnitOf(dn)?.trim()).toBe(path));

  it('DNs that name the same entry have one key', () => {
    expect(dnKey('CN=Kim , ou = Staff,DC=Example')).toBe(dnKey('cn=kim,OU=staff,dc=example'));
    expect(dnKey('cn=a\\,b,dc=x')).not.toBe(dnKey('cn=a,b=,dc=x'));
    expect(isWithin('cn=kim,ou=staff,dc=x', 'OU=Staff,DC=X')).toBe(true);
    expect(isWithin('cn=kim,ou=other staff,dc=x', 'ou=staff,dc=x')).toBe(false);
    expect(parseDn('nonsense')).toBeNull();
  });

  it('an extended DN holds a GUID, dashed or not', () => {
    const guid = '00112233-4455-6677-8899-aabbccddeeff';
    const dn = 'CN=Kim,DC=x';
    expect(readExtendedDn(`<GUID=${guid}>;<SID=S-1-5-21-1>;${dn}`)).toEqual({ guid, dn });
    expect(readExtendedDn(`<GUID=33221100554477668899aabbccddeeff>;${dn}`)).toEqual({ guid, dn });
    expect(readExtendedDn(dn)).toEqual({ guid: null, dn });
  });
});

describe('Settings of a directory server', () => {
  const right = {
    url: 'ldaps://dc1.harbor.example',
    schema: 'active-directory',
    baseDn: 'DC=harbor,DC=example',
  };
  it.each<[string, object]>([
    ['another protocol', { url: 'https://dc1.harbor.example' }],
    ['a path', { url: 'ldaps://dc1.harbor.example/dc=x' }],
    ['a user name', { url: 'ldaps://kim:secret@dc1.harbor.example' }],
    ['a filter that is none', { userFilter: '(cn=' }],
    ['a filter with something behind it', { userFilter: '(cn=a)(objectClass=*)' }],
    ['bytes that are no text in a filter', { userFilter: '(objectGUID=\\ff\\01)' }],
    ['no name of an attribute', { extraAttributes: ['a b'] }],
    ['a field that there is not', { attributes: { shoeSize: 'shoe' } }],
    ['no TLS to another machine', { url: 'ldap://dc1.harbor.example', allowPlaintext: true }],
    [
      'no TLS by an address that only looks like this machine',
      { url: 'ldap://127.0.0.1.evil.example', allowPlaintext: true },
    ],
    ['in-chain elsewhere', { schema: 'openldap', membership: 'in-chain' }],
    ['a setting that there is not', { bindDN: 'cn=x' }],
  ])('are refused with %s', (_, wrong) => {
    expect(LdapSettings.safeParse(right).success).toBe(true);
    expect(LdapSettings.safeParse({ ...right, ...wrong }).success).toBe(false);
  });

  it.each([
    { bindDn: 'cn=x\r\nFLUSHALL\r\n', password: 'secret' },
    { bindDn: 'cn=x', password: 'secret\r\nFLUSHALL\r\n' },
    { bindDn: 'cn=x\u0000', password: 'secret' },
  ])('take no line ends, which another service on the same host could read as its commands: %j', (given) => {
    expect(LdapCredentials.safeParse(given).success).toBe(false);
  });

  it('take no empty password, which would sign in nobody, with success', () => {
    expect(LdapCredentials.safeParse({ bindDn: 'cn=x', password: '' }).success).toBe(false);
  });
});
