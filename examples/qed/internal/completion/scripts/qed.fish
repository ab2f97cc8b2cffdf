# Completion of qed for fish.
#   qed completion fish | source
#   qed completion fish > ~/.config/fish/completions/qed.fish

function __qed_words
    set -l before (commandline -opc)
    set -l word (commandline -ct)
    # Quotes that are open are closed for the shell to take them off.
    for close in '' "'" '"'
        if set -l plain (string unescape -- "$word$close" | string collect -a)
            set word $plain
            break
        end
    end
    set -l given
    for w in $before "$word" # what is behind the cursor it does not tell
        set -l name (string match -rg '^\$([A-Za-z_][A-Za-z_0-9]*)' -- $w)
        if test -n "$name"; and set -q $name
            set w (string replace -- "\$$name" "$$name" $w)
        end
        set -a given (string replace -r '^~(?=/|$)' -- $HOME $w)
    end
    set -l answer ($given[1] __words fish (math (count $before) - 1) $given[2..-1] 2>/dev/null </dev/null | string split0)
    switch "$answer[1]"
        case files
            __fish_complete_path $word
        case dirs
            __fish_complete_directories $word ''
        case words paths
            string join0 -- $answer[3..-1] | string split0
    end
end

complete -c qed -e
complete -c qed -k -f -a '(__qed_words)'
