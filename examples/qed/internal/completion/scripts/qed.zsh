#compdef qed
# Completion of qed for zsh.
#   source <(qed completion zsh)          after compinit
#   qed completion zsh > "${fpath[1]}/_qed"

_qed()
{
    setopt localoptions extendedglob
    local -a given answer open rest
    local word i name
    # Quotes that are open are closed for the shell to take them off.
    word=${(Q)${:-$QIPREFIX$PREFIX${compstate[quote]}}}
    given=("${(@Q)words[1,CURRENT-1]}" "$word" "${(@Q)words[CURRENT+1,-1]}")
    for ((i = 1; i <= $#given; i++)); do
        if [[ $words[i] == \$[A-Za-z_][A-Za-z_0-9]#* ]]; then
            name=${(M)${given[i]#\$}##[A-Za-z_][A-Za-z_0-9]#}
            given[i]=${(P)name}${given[i]#\$$name}
        elif [[ $words[i] == \~(|/*) ]]; then
            given[i]=$HOME${given[i]#\~}
        fi
    done
    answer=("${(@0)$("$given[1]" __words zsh $((CURRENT - 2)) "${(@)given[2,-1]}" 2>/dev/null </dev/null)}")
    [[ $word == --*=* ]] && compset -P '*='
    case $answer[1] in
    files) _files ;;
    dirs) _files -/ ;;
    words|paths)
        i=$answer[2]
        open=("${(@)answer[3,2+i]}")
        rest=("${(@)answer[3+i,-2]}")
        ;|
    words)
        open=("${(@)${(@)open//:/\\:}/$'\t'/:}")
        rest=("${(@)${(@)rest//:/\\:}/$'\t'/:}")
        _describe 'word' open -S '' -- rest
        ;;
    paths)
        compset -P '*/'
        compadd -S '' -a open
        compadd -a rest
        ;;
    esac
}

compdef _qed qed
