import { expect, test } from 'vitest'
import { movedPast } from '../../../src/store/postgres-client.ts'

const clients = ['15.20', '17.12', '18.6']

test.each([
  ['17.12', undefined],
  ['17.11', undefined],
  ['15.9', undefined],
  // A two-digit number is greater than a one-digit number.
  ['18.10', "the PostgreSQL client 18.6 is older than the server's 18.10"],
  ['17.13', "the PostgreSQL client 17.12 is older than the server's 17.13"],
  ['16.4', "there is no PostgreSQL client of 16: that of 17.12 dumps the server's 16.4"],
  ['19.1', "no PostgreSQL client, of 15.20, 17.12, 18.6, can dump the server's 19.1"],
  ['17.13 (Debian 17.13-1)', "the PostgreSQL client 17.12 is older than the server's 17.13 (Debian 17.13-1)"],
])('a server of %s', (server, said) => {
  expect(movedPast(server, clients)).toBe(said)
})
