# bash completion of llmguard, made by `llmguard completion bash`
_llmguard()
{
    local cur=${COMP_WORDS[COMP_CWORD]} opts='' words=''
    local prev=${COMP_WORDS[COMP_CWORD-1]}
    local at="${COMP_WORDS[*]:1:COMP_CWORD-1} "
    local cmds="status top run phase record estimate export archive budget holds tail alerts pricing config doctor pause resume enable disable checkpoint completion help reprice reconcile replay trace index costs report by-conversation by-tag compare forecast recommend cost-per-million"
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "$cmds" -- "$cur"))
        return
    fi
    case "$at" in
    'budget ') words=' set raise import status list rm' ;;
    'pricing ') words=' list show import set update history explain check export' ;;
    'config ') words=' check show' ;;
    esac
    case "$at" in
    'status '*) opts='--watch --interval --check --all --models --json --help' ;;
    'top '*) opts='--interval --once --section --filter --ascii --no-color --json --help' ;;
    'run '*) opts='--max-usd --warn-usd --max-train-usd --max-infer-usd --warn-train-usd --warn-infer-usd --on-breach --grace --ignore-budget --experiment --experiment-max-usd --halt-experiment --restart-experiment --resume --add-usd --calls --calls-per-example --examples --train-calls --estimate --estimate-detail --no-estimate --input-tokens --cached-tokens --output-tokens --yes --artifacts --project --tags --user --conversation --phase --model --config --price-version --quiet --json --help' ;;
    'phase '*) opts='--json --help' ;;
    'record '*) opts='--model --provider --tier --input-tokens --cached-tokens --output-tokens --cache-hit --calls --run-id --phase --project --user --tags --conversation --experiment --type --json --help' ;;
    'estimate '*) opts='--model --prompt-file --system-file --max-tokens --output-tokens --column --url --provider --tier --compare --buffer --tokenizer --project --user --tags --conversation --yes --json --help' ;;
    'export '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --format --output --period --month --help' ;;
    'archive '*) opts='--before --level --dry-run --json --help' ;;
    'budget set '*) opts='--limit --period --hourly --daily --weekly --monthly --yearly --total --scope --project --model --user --mode --hard --hard-limit --soft --fallback --each --warn-at --alert-at --until --json --help' ;;
    'budget raise '*) opts='--until --json --help' ;;
    'budget import '*) opts='--help' ;;
    'budget status '*) opts='--watch --interval --check --all --models --json --project --model --help' ;;
    'budget list '*) opts='--json --help' ;;
    'budget rm '*) opts='--json --help' ;;
    'holds '*) opts='--json --help' ;;
    'tail '*) opts='--lines --follow --json --help' ;;
    'alerts '*) opts='--follow --since --level --event --json --help' ;;
    'pricing list '*) opts='--provider --match --tier --source --per --all --json --help' ;;
    'pricing show '*) opts='--provider --tier --variant --geo --host --version --at --per --json --help' ;;
    'pricing import '*) opts='--format --provider --model --file --output --split --version --source --dry-run --json --help' ;;
    'pricing set '*) opts='--input-per-1m --input-per-1k --input-per-token --output-per-1m --output-per-1k --output-per-token --cached-input-per-1m --cached-input-per-1k --cached-input-per-token --training-per-1m --training-per-1k --training-per-token --provider --context-window --max-output-tokens --effective-at --expires-at --tier --variant --match --notes --price-version --rates --training --estimate --yes --file --source --json --help' ;;
    'pricing update '*) opts='--from --url --format --model --provider --sha256 --sha256-url --key --signature --file --version --dry-run --json --help' ;;
    'pricing history '*) opts='--provider --tier --per --json --help' ;;
    'pricing explain '*) opts='--url --provider --model --tier --input-tokens --cached-tokens --output-tokens --json --help' ;;
    'pricing check '*) opts='--json --help' ;;
    'pricing export '*) opts='--format --provider --shipped --help' ;;
    'config check '*) opts='--json --help' ;;
    'config show '*) opts='--json --help' ;;
    'doctor '*) opts='--all --reset --json --help' ;;
    'pause '*) opts='--all --scope --stop --json --help' ;;
    'resume '*) opts='--all --scope --force --json --help' ;;
    'enable '*) opts='--json --help' ;;
    'disable '*) opts='--json --help' ;;
    'checkpoint '*) opts='--json --help' ;;
    'completion '*) opts='--help' ;;
    'help '*) opts='--man --help' ;;
    'reprice '*) opts='--from --to --model --provider --price-version --unknown --dry-run --json --help' ;;
    'reconcile '*) opts='--format --provider --day-zone --from --to --tolerance --gaps --adjust --yes --json --help' ;;
    'replay '*) opts='--config --since --calls --json --help' ;;
    'trace '*) opts='--pid --comm --exe --uid --cgroup --all --no-children --offsets --config --state-dir --region --on-hard --observe --ring-mb --call-max --duration --print --summary --check --verbose --json --help' ;;
    'index '*) opts='--rebuild --json --help' ;;
    'costs '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --json --period --detailed --top --chart --format --help' ;;
    'report '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --json --month --year --week --by --detailed --top --chart --include-chart --format --export --auto --cache --help' ;;
    'by-conversation '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --json --top --format --export --help' ;;
    'by-tag '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --json --top --format --export --help' ;;
    'compare '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --json --periods --projects --models --metric --help' ;;
    'forecast '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --json --month --backtest --help' ;;
    'recommend '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --json --help' ;;
    'cost-per-million '*) opts='--from --to --last --model --project --user --tag --tags --phase --provider --endpoint --conversation --key --run --run-id --request-type --verdict --experiment --process --json --calls-per-example --runs --help' ;;
    esac
    case "$at|$prev" in
    'top '*'|--section'|'top '*'|-s') COMPREPLY=($(compgen  -W 'budgets processes models calls blocked holds' -- "$cur")); return ;;
    'run '*'|--on-breach') COMPREPLY=($(compgen  -W 'stop block continue' -- "$cur")); return ;;
    'run '*'|--estimate-detail') COMPREPLY=($(compgen  -W 'none short full' -- "$cur")); return ;;
    'run '*'|--phase') COMPREPLY=($(compgen  -W 'infer train' -- "$cur")); return ;;
    'record '*'|--cache-hit') COMPREPLY=($(compgen  -W 'local gateway none' -- "$cur")); return ;;
    'record '*'|--phase') COMPREPLY=($(compgen  -W 'infer train' -- "$cur")); return ;;
    'record '*'|--type') COMPREPLY=($(compgen  -W 'generate embed image audio rerank batch train other' -- "$cur")); return ;;
    'export '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    'export '*'|--format'|'export '*'|-F') COMPREPLY=($(compgen  -W 'jsonl csv otlp-json' -- "$cur")); return ;;
    'export '*'|--period') COMPREPLY=($(compgen  -W 'today yesterday week month year all' -- "$cur")); return ;;
    'budget set '*'|--period'|'budget set '*'|-p') COMPREPLY=($(compgen  -W 'run hourly daily weekly monthly yearly total' -- "$cur")); return ;;
    'budget set '*'|--mode'|'budget set '*'|-m') COMPREPLY=($(compgen  -W 'strict adaptive' -- "$cur")); return ;;
    'alerts '*'|--level'|'alerts '*'|-l') COMPREPLY=($(compgen  -W 'info warning critical exceeded' -- "$cur")); return ;;
    'pricing list '*'|--per') COMPREPLY=($(compgen  -W '1m 1k token' -- "$cur")); return ;;
    'pricing show '*'|--per') COMPREPLY=($(compgen  -W '1m 1k token' -- "$cur")); return ;;
    'pricing import '*'|--format'|'pricing import '*'|-f') COMPREPLY=($(compgen  -W 'auto genai litellm openrouter per1k yaml' -- "$cur")); return ;;
    'pricing set '*'|--source') COMPREPLY=($(compgen  -W 'manual api default' -- "$cur")); return ;;
    'pricing update '*'|--format'|'pricing update '*'|-f') COMPREPLY=($(compgen  -W 'auto genai litellm openrouter per1k yaml' -- "$cur")); return ;;
    'pricing history '*'|--per') COMPREPLY=($(compgen  -W '1m 1k token' -- "$cur")); return ;;
    'pricing export '*'|--format'|'pricing export '*'|-f') COMPREPLY=($(compgen  -W 'json yaml genai litellm' -- "$cur")); return ;;
    'reconcile '*'|--format'|'reconcile '*'|-F') COMPREPLY=($(compgen  -W 'openai anthropic openrouter' -- "$cur")); return ;;
    'trace '*'|--on-hard') COMPREPLY=($(compgen  -W 'warn deny reset stop kill' -- "$cur")); return ;;
    'costs '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    'costs '*'|--period'|'costs '*'|-p') COMPREPLY=($(compgen  -W 'today yesterday week month year all' -- "$cur")); return ;;
    'costs '*'|--format') COMPREPLY=($(compgen  -W 'table json csv' -- "$cur")); return ;;
    'report '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    'report '*'|--by'|'report '*'|-b') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'model project tag user endpoint provider phase conversation hour day week month year weekday hour_of_day request_type model_requested key run experiment process host dialect tier verdict reason status coverage usage_state price_state cache_hit flag estimate' -- "${cur##*,}")); return ;;
    'report '*'|--format') COMPREPLY=($(compgen  -W 'table json csv' -- "$cur")); return ;;
    'by-conversation '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    'by-conversation '*'|--format') COMPREPLY=($(compgen  -W 'table json csv' -- "$cur")); return ;;
    'by-tag '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    'by-tag '*'|--format') COMPREPLY=($(compgen  -W 'table json csv' -- "$cur")); return ;;
    'compare '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    'compare '*'|--metric'|'compare '*'|-m') COMPREPLY=($(compgen  -W 'total average count models' -- "$cur")); return ;;
    'forecast '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    'recommend '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    'cost-per-million '*'|--phase') COMPREPLY=($(compgen -P "${cur%"${cur##*,}"}" -W 'infer train' -- "${cur##*,}")); return ;;
    esac
    if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    elif [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$opts" -- "$cur"))
    else
        COMPREPLY=($(compgen -o default -c -- "$cur"))
    fi
}
complete -o default -F _llmguard llmguard
