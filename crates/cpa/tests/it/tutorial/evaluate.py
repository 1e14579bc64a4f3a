import json
import sys
import math

def main():
    # Parse metrics JSON into a dict
    metrics = json.loads(sys.stdin.read())
    evaluate(metrics)

def evaluate(metrics):
    try:
        value = int(metrics[0]["value"])

        # Build JSON dict with target_replicas
        evaluation = {}
        evaluation["target_replicas"] = value

        # Output JSON to stdout
        sys.stdout.write(json.dumps(evaluation))
    except ValueError as err:
        # If not an integer, output error
        sys.stderr.write(f"Invalid metric value: {err}")
        exit(1)

if __name__ == "__main__":
    main()

