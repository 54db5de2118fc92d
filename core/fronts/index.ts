/** Several processes that serve as one: loaded only where there are several. */
export { Front } from './front.ts'
export { supervise } from './supervisor.ts'
