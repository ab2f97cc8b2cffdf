# Completion of qed for bash, 3.2 and later; nothing else is needed.
#   source <(qed completion bash)

_qed()
{
    local rest=$COMP_LINE variables=() IFS=$' \t\n'
    # Variables of the shell may not be in the environment.
    while [[ $rest =~ \$\{?([A-Za-z_][A-Za-z_0-9]*)(.*) ]]; do
        rest=${BASH_REMATCH[2]}
        variables+=("${BASH_REMATCH[1]}=${!BASH_REMATCH[1]}")
    done
    COMPREPLY=()
    eval "$("${1/#\~/$HOME}" __words bash "$1" "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" \
        "$2" "$COMP_TYPE" "${variables[@]}" 2>/dev/null </dev/null)"
}

complete -o nospace -F _qed qed
