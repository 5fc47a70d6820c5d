// The page's own colours by day and by night: light-dark() follows the page, and so needs no word from it.
import {HighlightStyle, syntaxHighlighting} from "@codemirror/language"
import {EditorView} from "@codemirror/view"
import {tags as t} from "@lezer/highlight"

const ink = "light-dark(#26282b, #dddbd5)"
const quiet = "light-dark(#66635c, #a5a29a)"
const ground = "light-dark(#f1efe9, #202327)"
const raised = "light-dark(#fbfaf7, #17191c)"
const line = "light-dark(#dcd8cf, #363a40)"
const blue = "light-dark(#2f5d8a, #8fb8de)"
const green = "light-dark(#2e6b45, #84c79b)"
const red = "light-dark(#a2402f, #ea9a87)"
const ochre = "light-dark(#7d5313, #ddb878)"
const violet = "light-dark(#6b4480, #c7a9dc)"
const marked = "light-dark(#dfe6ee, #2d3947)" // what is selected, found, or belongs together
const found = "light-dark(#f3dfa6, #5a4a1e)"

const colours = HighlightStyle.define([
  {tag: [t.keyword, t.operatorKeyword, t.controlKeyword, t.moduleKeyword, t.definitionKeyword], color: blue},
  {tag: [t.string, t.docString, t.character, t.special(t.string)], color: green},
  {tag: [t.number, t.bool, t.null, t.self], color: ochre},
  {tag: [t.comment, t.lineComment], color: quiet, fontStyle: "italic"},
  {tag: [t.definition(t.className), t.definition(t.function(t.variableName))], color: ink, fontWeight: "600"},
  {tag: [t.meta, t.modifier, t.escape], color: violet},
  {tag: [t.className, t.function(t.variableName), t.function(t.propertyName)], color: violet},
  {tag: t.invalid, color: red},
])

const theme = EditorView.theme({
  "&": {color: ink, backgroundColor: "transparent", minHeight: "var(--hw-min)", maxHeight: "var(--hw-max)"},
  "&.cm-focused": {outline: "none"},
  ".cm-scroller": {font: "inherit", lineHeight: "inherit", overflow: "auto", overscrollBehavior: "auto"},
  ".cm-content": {padding: ".5em 0", caretColor: ink, minHeight: "var(--hw-min)"},
  ".cm-line": {padding: "0 .75em 0 .5em"},
  ".cm-content ::selection, .cm-line::selection, .cm-line ::selection": {backgroundColor: "light-dark(#c9d8e8, #3a4f66)"},
  ".cm-activeLine, .cm-activeLineGutter": {backgroundColor: "transparent"},
  "&.cm-focused .cm-activeLine, &.cm-focused .cm-activeLineGutter": {
    backgroundColor: "light-dark(#26282b0a, #ffffff0a)"},
  ".cm-gutters": {color: quiet, backgroundColor: ground, border: "none", borderRight: "none"},
  ".cm-lineNumbers .cm-gutterElement": {minWidth: "2.2em", padding: "0 .35em 0 .5em"},
  ".cm-selectionMatch": {backgroundColor: marked},
  ".cm-searchMatch": {backgroundColor: found},
  ".cm-searchMatch.cm-searchMatch-selected": {backgroundColor: found, outline: `2px solid ${ochre}`},
  "&.cm-focused .cm-matchingBracket, &.cm-focused .cm-nonmatchingBracket": {backgroundColor: marked, outline: "none"},
  "&.cm-focused .cm-nonmatchingBracket": {color: red},

  ".cm-tooltip": {color: ink, backgroundColor: raised, border: `1px solid ${line}`, borderRadius: "4px",
    boxShadow: "0 2px 10px light-dark(#26282b22, #00000066)", zIndex: 200},
  ".cm-tooltip.cm-tooltip-autocomplete > ul": {font: "inherit", maxHeight: "14em", minWidth: "10em"},
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": {padding: ".15em .6em", lineHeight: 1.4},
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {color: ink, backgroundColor: marked},
  ".cm-completionMatchedText": {textDecoration: "none", fontWeight: "600", color: blue},
  ".cm-completionDetail": {color: quiet, fontStyle: "normal"},

  ".cm-panels": {color: ink, backgroundColor: raised, zIndex: 10},
  ".cm-panels.cm-panels-top": {borderBottom: `1px solid ${line}`},
  ".cm-panel.cm-search": {font: '400 1em/1.5 "Source Sans", sans-serif', padding: ".4em .5em"},
  ".cm-panel.cm-search label": {fontSize: "inherit", display: "inline-flex", alignItems: "center"},
  ".cm-panel.cm-search [name=close]": {color: quiet, fontSize: "1.3em", padding: "0 .3em", cursor: "pointer"},
  ".cm-textfield": {font: "inherit", fontSize: "inherit", color: ink, backgroundColor: raised, border: `1px solid ${quiet}`, borderRadius: "3px"},
  ".cm-button": {font: "inherit", color: ink, background: ground, border: `1px solid ${line}`, borderRadius: "3px"},

  ".cm-gutter-lint": {width: ".9em"},
  ".cm-gutter-lint .cm-gutterElement": {padding: 0, display: "flex", alignItems: "center", justifyContent: "center"},
  ".cm-lint-marker-error": {content: '""', width: ".5em", height: ".5em", borderRadius: "50%", backgroundColor: red},
  ".cm-lintRange-error": {backgroundImage: "none", textDecoration: `underline wavy ${red} 1px`, textUnderlineOffset: "3px"},
  ".cm-diagnostic": {font: '400 .95rem/1.45 "Source Sans", sans-serif', padding: ".35em .7em", maxWidth: "32em",
    whiteSpace: "pre-wrap", overflowWrap: "anywhere"},
  ".cm-diagnostic-error": {borderLeft: `4px solid ${red}`},
  ".cm-panel.cm-panel-lint ul [aria-selected]": {color: ink, backgroundColor: marked},
})

export const look = [theme, syntaxHighlighting(colours)]
