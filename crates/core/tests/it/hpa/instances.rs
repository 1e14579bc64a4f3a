//! Instances: utilization, and those that are not ready or not measured.

use setpoint::hpa::requests::{Amounts, Container, Requests};
use setpoint::hpa::{About, ConditionKind, ConditionReason, ControlLoop, Failure, MetricTarget, Settings};
use setpoint::{MetricKind, Observation, Readiness, Reading, Samples, Trace};

use super::{NOW, cpu, metric, pod, proposal, spec};

#[test]
fn utilization_is_cut_to_whole_percents_before_it_is_compared() {
    // 75 % of 50 % is 1.5: 6. 75.9 %, or 76 %, is 1.52: 7.
    assert_eq!(proposal(&cpu(50), 4, &[pod(759); 4]), Some(6));
}

#[test]
fn utilization_is_that_of_all_instances_together() {
    // The mean of the pods' percentages is 50 %: hold. Σusage/Σrequest is 90 %: 4.
    let pods = [pod(0), pod(9000).requesting(9000)];
    assert_eq!(proposal(&cpu(50), 2, &pods), Some(4));
}

#[test]
fn a_ratio_multiplies_the_instances_that_count_and_not_the_replicas_asked_for() {
    // 20 % of 50 % is 0.4: of the two that count 1, of four replicas 2.
    let pods = [pod(200), pod(200), pod(200).pending(), pod(200).pending()];
    assert_eq!(proposal(&cpu(50), 4, &pods), Some(1));
    // 1.8 of three pods is 6, as in a roll-out with one too many; of the two replicas asked for 4.
    assert_eq!(proposal(&cpu(50), 2, &[pod(900); 3]), Some(6));
}

#[test]
fn an_unmeasured_instance_is_idle_on_the_way_up_and_busy_on_the_way_down() {
    let missing = pod(0).unmeasured();
    // Idle, it turns 100 % into 75 %: 6. At its target it would make 7; left out, twice the four pods is 8.
    assert_eq!(proposal(&cpu(50), 4, &[pod(1000), pod(1000), pod(1000), missing]), Some(6));
    // Using all it requests, it turns 10 % into 32 %: 3. At its target it would make 2.
    assert_eq!(proposal(&cpu(50), 4, &[pod(100), pod(100), pod(100), missing]), Some(3));
    // A target above 100 % is what it is taken to use, so 60 % turns into 82 %: 3. At 100 % it would make 2.
    assert_eq!(proposal(&cpu(150), 4, &[pod(600), pod(600), pod(600), missing]), Some(3));
}

#[test]
fn a_direction_that_turns_with_the_assumptions_holds() {
    let missing = pod(0).unmeasured();
    let requests = metric(MetricKind::Pods, "requests", MetricTarget::AverageValue(500));
    // 100 % asks for more, and the 40 % with three idle ones for 4 of 5.
    for metric in [cpu(50), requests] {
        assert_eq!(proposal(&metric, 5, &[pod(1000), pod(1000), missing, missing, missing]), Some(5));
    }
    // 10 % asks for less, and the 77 % with three busy ones for 7.
    assert_eq!(proposal(&cpu(50), 4, &[pod(100), missing, missing, missing]), Some(4));
}

#[test]
fn with_assumptions_the_ratio_multiplies_the_assumed_instances_too() {
    // 200 % becomes 100 % with two idle ones. Twice the four is 8; twice the two that are measured is no change.
    let missing = pod(0).unmeasured();
    assert_eq!(proposal(&cpu(50), 4, &[pod(2000), pod(2000), missing, missing]), Some(8));
}

#[test]
fn a_starting_instance_counts_unless_the_metric_is_cpu_or_it_is_pending() {
    let memory = metric(MetricKind::Resource, "memory", MetricTarget::Utilization(50));
    let requests = metric(MetricKind::Pods, "requests", MetricTarget::AverageValue(500));
    let starting = [pod(900), pod(900), pod(900).started(10).since(Readiness::NotReady, 5)];
    let pending = [pod(900), pod(900), pod(900).pending()];
    // It counts: 1.8 of three is 6. It doesn't, and is taken to be idle: 1.2 of three is 4.
    for (metric, when_starting) in [(cpu(50), 4), (memory, 6), (requests, 6)] {
        assert_eq!(proposal(&metric, 3, &starting), Some(when_starting), "{}", metric.name);
        assert_eq!(proposal(&metric, 3, &pending), Some(4), "{}", metric.name);
    }
}

#[test]
fn a_cpu_sample_that_reaches_back_before_readiness_does_not_count_while_starting() {
    let with =
        |started, ready_since| [pod(900), pod(900), pod(3000).started(started).since(Readiness::Ready, ready_since)];
    // Samples cover 30 s. Counted, it makes 160 %: 10. Taken to be idle, it makes 60 %: 4.
    assert_eq!(proposal(&cpu(50), 3, &with(60, 29)), Some(4));
    assert_eq!(proposal(&cpu(50), 3, &with(60, 30)), Some(10));
    // Five minutes after its start nobody asks any more.
    assert_eq!(proposal(&cpu(50), 3, &with(299, 29)), Some(4));
    assert_eq!(proposal(&cpu(50), 3, &with(300, 29)), Some(10));
}

#[test]
fn one_container_without_a_request_fails_the_metric_and_not_only_its_pod() {
    let container = |name: &str, cpu: Option<i64>| Container {
        name: name.to_owned(),
        requests: cpu.map(|amount| ("cpu".to_owned(), amount)).into_iter().collect::<Amounts>(),
    };
    let one = Requests { containers: vec![container("app", Some(1000))], ..Requests::default() };
    let mut other = one.clone();
    other.containers.push(container("proxy", None));
    // Without the proxy the pod would request 1000.
    let requests: Result<Vec<i64>, _> = [one, other].iter().map(|pod| pod.of("cpu", None)).collect();
    assert!(requests.is_err());

    // Without the pod, or with its 1000, 90 % of 50 % would make 2 or 4.
    let (states, of_instances) = ([pod(900).state; 2], [pod(900).sample; 2]);
    let samples = Samples::new(&of_instances).with_requests(requests.as_deref().unwrap_or_default());
    let readings = [Reading::Samples(&samples)];
    let mut hpa = ControlLoop::new(&spec(&[cpu(50)]), Settings::default());
    let look = Observation::new(NOW, 2, &readings).with_instances(&states);
    assert_eq!(hpa.plan(&look, &mut Trace::off()).proposal, None);
    let active = hpa.status().condition(ConditionKind::ScalingActive).expect("it was set");
    assert_eq!((active.status, active.reason), (false, ConditionReason::FailedGetResourceMetric));
    assert_eq!(active.about, About::Failed(0, Failure::RequestsUnknown));
}
