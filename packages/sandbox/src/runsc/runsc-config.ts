import { type OciRequest, ociConfig } from '../runc/oci-config.ts'

/** Of the sandbox's kernel, which is a program: a user namespace and a cgroup of the host mean nothing inside. */
const OWN_NAMESPACES: ReadonlySet<string> = new Set(['pid', 'ipc', 'uts', 'mount'])

/**
 * The OCI runtime configuration for gVisor: as runc's, without what its own kernel does instead. There is no network
 * namespace in it: gVisor is started in one, and uses it as its host's. Pure.
 */
export function runscConfig(request: OciRequest) {
  const { linux, ...rest } = ociConfig(request)
  return {
    ...rest,
    linux: {
      namespaces: linux.namespaces.filter(({ type }) => OWN_NAMESPACES.has(type)),
      maskedPaths: linux.maskedPaths,
      readonlyPaths: linux.readonlyPaths,
    },
  }
}
