"""The shells' side of completion: a script each, which asks the launcher and shows what it says.

The launcher is named by its path: Tab never runs a file that happens to be called `council` in the
folder where somebody is. Knows nothing of the commands.
"""

from pathlib import Path
from shlex import quote
from typing import Literal

from serve_app.cli.completion import ASKS, FILES, VARIABLE

Shell = Literal["bash", "zsh", "fish"]

BASH = r"""# Tab for ./council and council, in bash.
_council_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" reply word head="" breaks
    COMPREPLY=()
    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == *[\<\>] ]]; then
        compopt -o default 2>/dev/null
        return 0
    fi
    # A word begins anew for bash behind : and =, which names of models have.
    word="${line##*[[:space:]]}" breaks="${COMP_WORDBREAKS//[^:=]/}"
    if [[ -n $breaks && $word == *["$breaks"]* ]]; then head="${word%"${word##*["$breaks"]}"}"; fi
    while IFS= read -r reply; do
        if [[ $reply == "@files" ]]; then
            compopt -o default 2>/dev/null
            return 0
        fi
        reply="${reply%%$'\t'*}"
        if [[ -n $reply ]]; then COMPREPLY+=("${reply#"$head"}"); fi
    done < <(@variable=@asks @council "$line" 2>/dev/null)
}
complete -F _council_completion council
"""

ZSH = r"""# Tab for ./council and council, in zsh.
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_council_completion() {
    local reply tab=$'\t' line="${(j: :)words[1,CURRENT-1]} $PREFIX"
    local -a proposals
    while IFS= read -r reply; do
        if [[ $reply == "@files" ]]; then
            _files
            return
        fi
        [[ -n $reply ]] && proposals+=("${${reply%%$tab*}//:/\\:}:${reply#*$tab}")
    done < <(@variable=@asks @council "$line" 2>/dev/null)
    _describe -V council proposals
}
compdef _council_completion council
"""

FISH = r"""# Tab for ./council and council, in fish.
function __council_completion
    set -l line (commandline -cp | string collect)
    for reply in (env @variable=@asks @council "$line" 2>/dev/null)
        if test "$reply" = "@files"
            __fish_complete_path (commandline -ct)
        else if test -n "$reply"
            echo $reply
        end
    end
end
complete --command council --no-files --keep-order --arguments '(__council_completion)'
"""

SCRIPTS: dict[Shell, str] = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def script(shell: Shell, launcher: Path) -> str:
    """What the shell has to read once in each terminal."""
    filled = SCRIPTS[shell]
    for name, value in (("variable", VARIABLE), ("asks", ASKS), ("files", FILES)):
        filled = filled.replace(f"@{name}", value)
    return filled.replace("@council", quote(str(launcher)))
