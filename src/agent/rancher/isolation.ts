import { execa } from 'execa'
import { log } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { untilHealthy } from './health.ts'

/** The line that `isolateNetwork` logs once Rancher may be started. */
export const NETWORK_ISOLATED = 'the isolated network is ready'

// From the block for documentation (RFC 5737). K3s does not accept a link-local address as the node's.
const ADDRESS = '203.0.113.254/31'
const GATEWAY = '203.0.113.255'

/**
 * Give a network namespace without interfaces a default route that leads nowhere, then wait for Rancher in it.
 *
 * K3s inside Rancher does not start without a default route, from which it takes the node's address. This one goes over
 * a pair of virtual interfaces with both ends in this namespace, so packets reach nothing. (A dummy interface would do
 * too, but needs a kernel module that not every host has; every Docker host has veth.)
 *
 * @param url Rancher's health, as seen from inside
 * @throws Failure drill with Rancher's last answer
 */
export async function isolateNetwork(url: string, timeoutMs: number): Promise<void> {
  const ip = (text: string) => execa('ip', text.split(' '))
  await ip('link set lo up')
  await ip('link add rancher0 type veth peer name nowhere0')
  await ip('link set nowhere0 up')
  await ip('link set rancher0 up')
  await ip(`address add ${ADDRESS} dev rancher0`)
  await ip(`route add default via ${GATEWAY} dev rancher0`)
  log(NETWORK_ISOLATED)
  const said = await untilHealthy(url, timeoutMs)
  if (said !== undefined) throw new Failure('drill', `${url}: ${said}, after ${timeoutMs / 1000} s`)
}
