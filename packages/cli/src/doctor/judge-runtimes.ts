import { type Finding, isAtLeast, type Mend, packagesMend } from './finding.ts'
import type { MachineFacts, RuntimeFacts } from './machine-facts.ts'

const GIVES: Readonly<Record<RuntimeFacts['kind'], string>> = {
  runc: 'sandboxes with limits of memory, CPU and processes',
  bwrap: 'sandboxes of users who are not root, without limits',
  runsc: 'sandboxes with a kernel of their own, for code that is not trusted',
}
const PACKAGES: Readonly<Record<RuntimeFacts['kind'], string>> = {
  runc: 'runc',
  bwrap: 'bubblewrap',
  runsc: 'runsc',
}

/** Escapes by masked paths, /dev/console and procfs: each mended from one release of a branch on. */
const RUNC_ESCAPES = 'CVE-2025-31133, CVE-2025-52565, CVE-2025-52881'
const RUNC_MENDED = 'mended in 1.2.8, 1.3.3 and 1.4.0, unless a distribution did so before'

/** What makes sandboxes here, each tried by starting one; of those that only root may run only as root. */
export function judgeRuntimes(facts: MachineFacts): Finding[] {
  const runc = facts.runtimes.find(({ kind }) => kind === 'runc')
  const isWanted = ({ kind }: RuntimeFacts) =>
    kind === 'bwrap' ? !facts.isRoot || runc?.trouble !== null : facts.isRoot
  return facts.runtimes.filter(isWanted).map((runtime) => judgeRuntime(runtime, facts))
}

function judgeRuntime({ kind, version, trouble }: RuntimeFacts, facts: MachineFacts): Finding {
  const gives =
    kind === 'bwrap' && facts.isRoot ? 'sandboxes without limits; as root, a way out is root' : GIVES[kind]
  const finding = { name: kind, gives }
  if (version === null)
    return {
      ...finding,
      state: 'lacking',
      found: 'not installed',
      mend: packagesMend([PACKAGES[kind]], facts),
    }
  if (trouble !== null)
    return { ...finding, state: 'lacking', found: `${version}: ${trouble}`, mend: mendOf(trouble, facts) }
  if (kind === 'runc' && hasEscapes(version))
    return {
      ...finding,
      state: 'lacking',
      found: `${version} runs a sandbox, and has known escapes`,
      mend: {
        line: `install a newer one (${RUNC_ESCAPES} are ${RUNC_MENDED}), or use \`hold up --runtime runsc\``,
      },
    }
  return { ...finding, state: 'ok', found: `${version} runs a sandbox` }
}

function mendOf(trouble: string, { userNamespaces }: MachineFacts): Mend {
  if (trouble.includes('npm run native')) return { line: 'npm run native', fix: { kind: 'build-native' } }
  if (!userNamespaces) return { line: 'allow user namespaces: sysctl -w user.max_user_namespaces=15000' }
  return {
    line: 'in a container: more privileges, or `hold up --runtime none`, where it is the sandbox itself',
  }
}

function hasEscapes(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major !== 1) return major < 1
  if (minor === 3) return !isAtLeast(numberOf(version), '1.3.3')
  if (minor === 4) return /^1\.4\.0-rc\.?[12]\b/.test(version)
  return !isAtLeast(numberOf(version), '1.2.8')
}

/** `1.1.5+ds1` and `1.2.0-rc.1` without what follows the number. */
function numberOf(version: string): string {
  return /^[\d.]+/.exec(version)?.[0] ?? '0'
}
