import { expect, test } from 'vitest'
import { renderTemplate, type Scope } from '../../../src/core/template.ts'

const config: Record<string, string> = { 'user.mood': 'merry', 'user.empty': '' }
const scope: Scope = {
  values: { container: { name: 'c1', privileged: false }, properties: { default: 'usual' }, config },
  config: (key) => config[key],
}

test.each([
  ['plain text } %', 'plain text } %'],
  ['{{ container.name }}{# a comment #}!', 'c1!'],
  ['{{ container.nosuch.deeper }}', ''],
  ['{{ config.user.mood }}', 'merry'],
  ['{{ config_get("user.mood", "x") }} {{ config_get("user.no", properties.default) }}', 'merry usual'],
  ['{{ container.name|upper }}{{ container.none|default:"d" }}', 'C1d'],
  ['{% if config_get("user.no", "") == "" %}none{% else %}some{% endif %}', 'none'],
  ['{% if not container.privileged and container.name != "x" %}a{% if true %}b{% endif %}{% endif %}', 'ab'],
  ['{% if false %}1{% elif container.name == "c1" %}2{% elif true %}3{% else %}4{% endif %}', '2'],
  ['{% if (false or true) && container %}yes{% endif %}', 'yes'],
  ['{{ "a\\"b" }}{{ \'c\' }}', 'a"bc'],
])('%s becomes %s', (template, text) => {
  expect(renderTemplate(template, scope)).toBe(text)
})

test.each([
  '{% for x in y %}{% endfor %}',
  '{% include "/etc/shadow" %}',
  '{% if true %}',
  '{% endif %}',
  '{{ }}',
  '{{ container.name + 1 }}',
  '{{ config_get("a" }}',
  '{{ container.name|exec }}',
  '{{ (((((( }}',
])('%s is refused', (template) => {
  expect(() => renderTemplate(template, scope)).toThrow('The template cannot be used')
})

test('names of a prototype mean nothing', () => {
  expect(renderTemplate('{{ container.__proto__.x }}{{ constructor }}{{ config.toString }}', scope)).toBe('')
})

test('what is never closed is text, at any length', () => {
  const open = '{{'.repeat(64 * 1024)
  for (const text of [open, '{% '.repeat(40_000), '{{ a %} { } {', `{#${open}`])
    expect(renderTemplate(text, scope)).toBe(text)
})
