// A user's script for go-openvz-api: every example of the manual, from top to bottom.
// node vzapi.mjs http://x:TOKEN@localhost:5000
const { origin, password } = new URL(process.argv[2])
const authorization = password === '' ? {} : { authorization: `Basic ${btoa(`x:${password}`)}` }
const API_VER = 'v0.1'

const say = (line) => process.stdout.write(`${line}\n`)

async function curl(method, path, data) {
  const sent = data === undefined ? {} : { body: JSON.stringify(data) }
  const headers = { 'Content-Type': 'application/json', ...authorization }
  const answer = await fetch(`${origin}/${API_VER}/${path}`, { method, headers, ...sent })
  const body = await answer.json()
  say(`${method} ${path} ${answer.status} ${JSON.stringify(body)}`)
  return { status: answer.status, body }
}

function check(good, what) {
  if (!good) throw new Error(what)
}

const created = await curl('POST', 'containers/', { name: 'ct100', ostemplate: 'template1' })
check(created.status === 202 && created.body.message === 'success', 'not accepted')
let job
do job = await curl('GET', `jobs/${created.body.job_id}`)
while (job.body.status === 'pending')
check(job.body.status === 'done' && job.body.entity_type === 'container', 'the job is not done')
const id = job.body.entity_id
const { container } = (await curl('GET', `containers/${id}`)).body
check(container.id === id && container.name === 'ct100' && container.ostemplate === 'template1', 'another container')
check(container.parameters === null && !Number.isNaN(Date.parse(container.created_at)), 'a container that is not new')
const parameters = {
  hostname: 'hostname1',
  cpus: '2',
  memsize: '1',
  memsize_units: 'G',
  ipadd: '10.0.0.1',
  size: '10',
  size_units: 'G',
  nameserver: '1.1.1.1,8.8.8.8',
}
const updated = await curl('PATCH', `containers/${id}`, { parameters })
check(updated.body.message === 'success' && updated.body.code === 0, 'not updated')
const now = (await curl('GET', `containers/${id}`)).body.container
check(JSON.stringify(now.parameters) === JSON.stringify(parameters), 'other parameters')
const failed = await curl('POST', 'containers/', { name: 'ct100', ostemplate: 'template1' })
check(failed.status === 422 && failed.body.code !== 0 && failed.body.message !== '', 'a failure without reason')
check((await curl('DELETE', `containers/${id}`)).body.message === 'success', 'not deleted')
say('all of the manual')
