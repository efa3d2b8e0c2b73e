import { startAgentForTest } from './agent-for-test.fixture.ts'

/** An agent by itself, until its parent's end of the pipe closes: `agent-main.fixture.ts BASE NAME HOST`. */
const [base = '', name = '', host = ''] = process.argv.slice(2)
await startAgentForTest({ base, name, host, volume: 'live' })
process.stdin.on('end', () => process.exit(0)).resume()
process.stdout.write('ready\n')
