/**
 * Node's http. An `import` of it asks for all that it exports, and so loads what only browsers' sockets and `fetch`
 * need: 14 MB of each process.
 */
export const nodeHttp = process.getBuiltinModule('node:http')
