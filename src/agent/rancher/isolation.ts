import { execa } from 'execa'
import { log } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { untilHealthy } from './health.ts'

/** The line that `seclude` logs once Rancher may be started. */
export const SECLUDED = 'the network that leads nowhere is ready'

// Of the block for documentation (RFC 5737): nobody's. A link-local one would not do: k3s takes none of those for the
// node's own.
const ADDRESS = '203.0.113.254/31'
const GATEWAY = '203.0.113.255'

/**
 * Make a network namespace that has nothing but a loopback look like a host's, and then wait for Rancher in it.
 *
 * The k3s inside Rancher does not start without a default route: it takes the node's address from it. So there is one,
 * over a pair of virtual interfaces whose both ends are in this namespace: what is sent goes nowhere. (A dummy interface
 * would do as well, but needs a kernel module that not every host has; any Docker host has these.)
 *
 * @param url Rancher's health, as it is reached inside
 * @throws Failure drill with what Rancher said last
 */
export async function seclude(url: string, timeoutMs: number): Promise<void> {
  const ip = (text: string) => execa('ip', text.split(' '))
  await ip('link set lo up')
  await ip('link add rancher0 type veth peer name nowhere0')
  await ip('link set nowhere0 up')
  await ip('link set rancher0 up')
  await ip(`address add ${ADDRESS} dev rancher0`)
  await ip(`route add default via ${GATEWAY} dev rancher0`)
  log(SECLUDED)
  const said = await untilHealthy(url, timeoutMs)
  if (said !== undefined) throw new Failure('drill', `${url}: ${said}, after ${timeoutMs / 1000} s`)
}
