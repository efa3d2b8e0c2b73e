import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** Special-purpose addresses of IPv4 (RFC 6890 and its registry): none of them is a server of the internet. */
const SPECIAL_V4 = [
  ...(['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'] as const),
  ...(['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16'] as const),
  ...(['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3'] as const),
]
/** Of IPv6 only global unicast is public; in it, what carries another address inside, and what is for documents. */
const GLOBAL_V6 = '2000::/3'
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const special = blockList(SPECIAL_V4, 'ipv4')
const specialV6 = blockList(SPECIAL_V6, 'ipv6')
const globalV6 = blockList([GLOBAL_V6], 'ipv6')

/** True for an address that anybody may reach: neither this machine's, nor its network's, nor for special purposes. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, 'ipv4')
  return isIPv6(address) && globalV6.check(address, 'ipv6') && !specialV6.check(address, 'ipv6')
}

function blockList(ranges: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', bits = ''] = range.split('/')
    list.addSubnet(network, Number(bits), family)
  }
  return list
}
