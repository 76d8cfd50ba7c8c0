/**
 * Where messages may go. Whoever may make a channel names a host that this server then calls: so private addresses are refused, unless
 * whoever runs Rollcall has named their network. It is the address that is looked at, of the very connection that is made: a name may lead
 * somewhere else a moment later.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** What is nobody's own or leads to this machine, this link or this house (IANA's registries of special-purpose addresses). */
const PRIVATE = networks([
  ...[
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
  ],
  ...[
    '192.0.2.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/4',
    '240.0.0.0/4',
  ],
  ...[
    '::/128',
    '::1/128',
    '64:ff9b::/96',
    '64:ff9b:1::/48',
    '100::/64',
    '2001:db8::/32',
    '2002::/16',
    'fc00::/7',
    'fe80::/10',
  ],
  'ff00::/8',
]);

/** As they are configured, such as `10.0.0.0/8`; an address alone is a network of one. */
export function networks(given: readonly string[]): BlockList {
  const list = new BlockList();
  for (const one of given) {
    const [address = '', bits] = one.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return list;
}

/** A message cannot go there: somebody has to mend the channel, or the configuration. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** An address of the host that messages may go to. Throws `Unreachable`, and what the name servers say. @param host without brackets */
export async function addressOf(host: string, allowed: BlockList): Promise<string> {
  const found =
    isIP(host) === 0
      ? await lookup(host, { all: true, verbatim: true })
      : [{ address: host, family: isIP(host) }];
  const may = found.find(({ address, family }) => {
    const of = family === 6 ? 'ipv6' : 'ipv4';
    return allowed.check(address, of) || !PRIVATE.check(address, of);
  });
  if (may !== undefined) return may.address;
  throw new Unreachable(
    `${host} has a private address, and messages may not go there unless whoever runs Rollcall names its network in ROLLCALL_NOTIFY_NETWORKS.`,
  );
}
