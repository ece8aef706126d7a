import { expect, test } from 'vitest'
import { inWordsOfReader } from '../../../../src/agent/run/outcome.ts'

const questions = { RESTORE_REPLACE: 'Replace what is there?', RESTORE_END_CONNECTIONS: 'End connections?' }
const BACKUP_QUESTIONS = JSON.stringify({ ...questions, RESTORE_INTO: 'Under another name?' })

test.each([
  ['RESTORE_REPLACE=yes puts the copy there', 'the answer yes to "Replace what is there?" puts the copy there'],
  ['scale down, or set RESTORE_END_CONNECTIONS=yes', 'scale down, or answer "End connections?" with yes'],
  ['RESTORE_INTO=<name> restores beside it', 'the answer <name> to "Under another name?" restores beside it'],
  ['see RESTORE_REPLACE', 'see "Replace what is there?"'],
  ['check AWS_ACCESS_KEY_ID', 'check AWS_ACCESS_KEY_ID'],
])('%s, on AWX: %s', (byHand, onAwx) => {
  expect(inWordsOfReader(byHand, { BACKUP_QUESTIONS })).toBe(onAwx)
  expect(inWordsOfReader(byHand, {})).toBe(byHand)
})
